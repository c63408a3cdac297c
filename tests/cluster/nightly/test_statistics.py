"""Statistics of labels equal those counted row by row, however the rows lie."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cluster.nightly.statistics import LEAST_SURE, SAMPLED_CLASSES, SAMPLES_PER_CLASS, NightStatistics, id_hashes
from schemas.label_statistics import CONFIDENCE_BINS, LabelStatistics
from schemas.labels import LabelClasses, LabelStamp, label_table

INDICES = [7, 3, 1_000_000, 0, 12]
NAMES = ["seven", "three", "million", "zero", "twelve"]
STAMP = LabelStamp("model", "run", datetime(2026, 3, 1, tzinfo=UTC))


def table_of(
    videos: int, *, threshold: float = 0.3, seed: int = 0, indices: list[int] = INDICES, decimals: int = 9
) -> pa.Table:
    """Labels of the best three of some classes; scores may be rounded so that many are equal."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((videos, len(indices))), decimals).astype(np.float32)
    places = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    ids = pa.array([f"videos/{rng.integers(1 << 40):x}/{number}" for number in range(videos)])
    names = pa.array([f"c{index}" for index in indices] if indices is not INDICES else NAMES)
    return label_table(
        ids,
        places,
        np.take_along_axis(scores, places, axis=1),
        classes=LabelClasses(np.array(indices, np.int32), names),
        threshold=threshold,
        stamp=STAMP,
        metadata={},
    )


def statistics_of(
    *tables: pa.Table, rows: int = 100, indices: list[int] = INDICES, names: list[str] = NAMES
) -> LabelStatistics:
    statistics = NightStatistics(indices, names, 0.8)
    for table in tables:
        for batch in table.to_batches(rows):
            statistics.add(batch)
    return statistics.result()


@pytest.mark.parametrize(("threshold", "decimals"), [(0.0, 9), (0.3, 9), (0.95, 9), (0.3, 1)])
def test_counts_are_those_of_a_loop(threshold: float, decimals: int) -> None:
    table = table_of(1000, threshold=threshold, decimals=decimals)
    found = statistics_of(table)
    rows: list[dict[str, Any]] = table.to_pylist()
    tops = [(row["labels"][0]["score"], row["id"], row["labels"][0]["index"]) for row in rows if row["labels"]]
    assert (found.videos, found.unlabelled) == (1000, sum(not row["labels"] for row in rows))
    assert found.mean_score == pytest.approx(np.mean([score for score, _, _ in tops]))
    firsts = Counter(index for _, _, index in tops)
    listed: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        for label in row["labels"]:
            listed[label["index"]].append(label["score"])
    assert [entry.index for entry in found.classes] == sorted(listed)
    for entry in found.classes:
        scores = listed[entry.index]
        assert entry.name == NAMES[INDICES.index(entry.index)]
        assert (entry.first, entry.sure) == (firsts[entry.index], sum(score >= np.float32(0.8) for score in scores))
        assert entry.mean_score == pytest.approx(np.mean(scores))
    bins = Counter(min(int(score * CONFIDENCE_BINS), CONFIDENCE_BINS - 1) for score, _, _ in tops)
    assert found.confidences == tuple(bins[place] for place in range(CONFIDENCE_BINS))
    least = sorted((score, name) for score, name, _ in tops if score < np.float32(0.8))[:LEAST_SURE]
    assert [(video.score, video.id) for video in found.least_sure] == least


def test_how_rows_lie_in_shards_changes_nothing() -> None:
    table = table_of(700, decimals=2)
    expected = statistics_of(table, rows=1000)
    order = np.random.default_rng(3).permutation(700)
    assert statistics_of(*[table.take(part) for part in np.array_split(order, 9)], rows=37) == expected


def test_samples_are_of_their_label_and_stand_by_its_frequency() -> None:
    table = table_of(400)
    found = statistics_of(table)
    tops = {row["id"]: row["labels"][0] for row in table.to_pylist() if row["labels"]}
    assert len({video.id for video in found.samples}) == len(found.samples) == SAMPLES_PER_CLASS * len(INDICES)
    for video in found.samples:
        assert (video.index, video.name, video.score) == tuple(tops[video.id].values())
    counts = {entry.index: entry.first for entry in found.classes}
    groups = [found.samples[start].index for start in range(0, len(found.samples), SAMPLES_PER_CLASS)]
    assert groups == sorted(counts, key=lambda index: (-counts[index], index))


def test_of_many_labels_the_most_frequent_are_sampled() -> None:
    indices = list(range(100))
    names = [f"c{index}" for index in indices]
    found = statistics_of(table_of(2000, threshold=0.0, indices=indices), indices=indices, names=names)
    frequent = sorted(found.classes, key=lambda entry: (-entry.first, entry.index))[:SAMPLED_CLASSES]
    assert list(dict.fromkeys(video.index for video in found.samples)) == [entry.index for entry in frequent]


def test_a_day_without_labels() -> None:
    empty = statistics_of(table_of(0))
    assert (empty.videos, empty.classes, empty.least_sure, empty.samples) == (0, (), (), ())
    none = statistics_of(table_of(50, threshold=1.0))
    assert (none.videos, none.unlabelled, none.mean_score, sum(none.confidences)) == (50, 50, 0.0, 0)


def test_a_class_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="class index 1000000, which the model does not know"):
        statistics_of(table_of(50), indices=[0, 3, 7, 12], names=list("abcd"))


def test_hashes_are_even_and_know_nothing_of_neighbours() -> None:
    ids = pa.array([f"videos/{number}" for number in range(20_000)])
    hashes = id_hashes(ids)
    assert len(np.unique(hashes)) == 20_000
    counts = np.bincount((hashes >> np.uint64(60)).astype(int), minlength=16)
    assert abs(counts - 1250).max() < 5 * np.sqrt(1250)
    assert np.array_equal(id_hashes(ids.slice(500, 700)), hashes[500:1200])
    assert not np.any(id_hashes(ids, seed=1) == hashes)
    assert abs(np.corrcoef(hashes[:-1].astype(float), hashes[1:].astype(float))[0, 1]) < 0.03


def test_ids_may_be_empty_or_strange() -> None:
    ids = pa.array(["", "a", "", "\0", "\0\0", "ä", "a" * 3000, ""])
    hashes = id_hashes(ids)
    assert hashes[0] == hashes[2] == hashes[7]
    assert len(set(hashes.tolist())) == 6
    assert len(id_hashes(pa.array([], pa.string()))) == 0
    assert len(set(id_hashes(pa.array(["", ""])).tolist())) == 1
