"""Statistics of the labels of a day, streamed from its shards.

In: batches of label rows (`id`, `labels`) of one model. Out: `LabelStatistics`. Everything is vectorised over a batch;
memory holds one batch, the counts of K classes and the few videos that are shown.

The choice of videos that are shown does not depend on their distribution over shards: the least confident ones, and for
each class those whose ids have the lowest hash, a sample drawn by `SEED`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.label_statistics import CONFIDENCE_BINS, ClassCount, LabelledVideo, LabelStatistics

BATCH_ROWS = 16_384
LEAST_SURE = 24
SAMPLED_CLASSES = 24
SAMPLES_PER_CLASS = 4
SEED = 0
# A polynomial over the bytes of an id, then the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
_BASE, _GOLDEN = np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15)
_MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


class NightStatistics:
    """Counts labels of the classes `indices`, named `names`; a score counts as sure from `sure_from` on."""

    def __init__(self, indices: Sequence[int], names: Sequence[str], sure_from: float) -> None:
        order = np.argsort(np.array(indices, np.int64), kind="stable")
        self._indices = np.array(indices, np.int64)[order]  # (K,), rising
        self._names = [names[place] for place in order]
        self._sure_from = sure_from
        zeros = np.zeros(len(indices), np.int64)
        self._first, self._sure, self._listed = zeros.copy(), zeros.copy(), zeros.copy()
        self._scores = np.zeros(len(indices))
        self._confidences = np.zeros(CONFIDENCE_BINS, np.int64)
        self._first_scores = 0.0
        self._videos = self._unlabelled = 0
        self._least_sure = self._sampled = _candidates(pa.array([], pa.string()), zeros[:0], self._scores[:0])

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the n rows of a batch."""
        labels, classes = batch.column("labels"), len(self._indices)
        flat = labels.flatten()
        places = self._places(flat.field("index").to_numpy())  # (all labels,)
        scores = flat.field("score").to_numpy()
        self._listed += np.bincount(places, minlength=classes)
        self._scores += np.bincount(places, weights=scores, minlength=classes)
        self._sure += np.bincount(places[scores >= self._sure_from], minlength=classes)
        lengths = labels.value_lengths().to_numpy()
        is_labelled = lengths > 0
        firsts = (np.cumsum(lengths) - lengths)[is_labelled]
        places, scores = places[firsts], scores[firsts].astype(np.float64)
        self._videos += len(batch)
        self._unlabelled += len(batch) - len(firsts)
        self._first += np.bincount(places, minlength=classes)
        self._first_scores += scores.sum()
        bins = np.minimum((scores * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
        self._confidences += np.bincount(bins, minlength=CONFIDENCE_BINS)
        found = _candidates(batch.column("id").filter(pa.array(is_labelled)), places, scores)
        self._least_sure = _least_sure(pa.concat_tables([self._least_sure, found]))
        self._sampled = _sampled(pa.concat_tables([self._sampled, found]))

    def result(self) -> LabelStatistics:
        """The statistics of all rows so far."""
        frequent = sorted(np.flatnonzero(self._first).tolist(), key=lambda place: (-self._first[place], place))
        rank = {place: number for number, place in enumerate(frequent[:SAMPLED_CLASSES])}
        sampled = [row for row in self._sampled.to_pylist() if row["place"] in rank]
        least_sure = [row for row in self._least_sure.to_pylist() if row["score"] < self._sure_from]
        labelled = self._videos - self._unlabelled
        return LabelStatistics(
            videos=self._videos,
            unlabelled=self._unlabelled,
            sure_from=self._sure_from,
            mean_score=self._first_scores / labelled if labelled else 0.0,
            classes=tuple(
                ClassCount(
                    index=int(self._indices[place]),
                    name=self._names[place],
                    first=int(self._first[place]),
                    sure=int(self._sure[place]),
                    mean_score=float(self._scores[place] / self._listed[place]),
                )
                for place in np.flatnonzero(self._listed).tolist()
            ),
            confidences=tuple(self._confidences.tolist()),
            least_sure=tuple(map(self._shown, least_sure)),
            samples=tuple(map(self._shown, sorted(sampled, key=lambda row: (rank[row["place"]], row["hash"])))),
        )

    @property
    def shown(self) -> set[str]:
        """The ids of all videos that may be shown, as far as rows have been looked at."""
        return {name for table in (self._least_sure, self._sampled) for name in table["id"].to_pylist()}

    def _places(self, indices: NDArray[np.int32]) -> NDArray[np.intp]:
        places = np.searchsorted(self._indices, indices)
        places = np.minimum(places, len(self._indices) - 1)
        unknown = indices[self._indices[places] != indices]
        if len(unknown):
            raise ValueError(f"a label has class index {unknown[0]}, which the model does not know")
        return places

    def _shown(self, row: dict[str, object]) -> LabelledVideo:
        place, score = row["place"], row["score"]
        assert isinstance(place, int)
        assert isinstance(score, float)
        return LabelledVideo(id=str(row["id"]), index=int(self._indices[place]), name=self._names[place], score=score)


def id_hashes(ids: pa.StringArray, seed: int = SEED) -> NDArray[np.uint64]:
    """(n,) uint64 hashes of ids, uniform for any ids."""
    count = len(ids)
    _, ends, content = ids.buffers()
    hashes = np.zeros(count, np.uint64)
    if count and content is not None:
        bounds = np.frombuffer(ends, np.int32)[ids.offset : ids.offset + count + 1].astype(np.int64)
        text = np.frombuffer(content, np.uint8)[bounds[0] : bounds[-1]]
        starts, lengths = bounds[:-1] - bounds[0], np.diff(bounds)
        powers = np.cumprod(np.full(max(int(lengths.max()), 1), _BASE))  # overflows on purpose: modulo 2^64
        terms = (text.astype(np.uint64) + np.uint64(1)) * powers[np.arange(len(text)) - np.repeat(starts, lengths)]
        if len(terms):
            hashes[lengths > 0] = np.add.reduceat(terms, starts[lengths > 0])
    hashes += np.array([seed + 1], np.uint64) * _GOLDEN
    for shift, factor in _MIX:
        hashes = (hashes ^ (hashes >> shift)) * factor
    return hashes ^ (hashes >> np.uint64(31))


def _candidates(ids: pa.StringArray, places: NDArray[np.int64], scores: NDArray[np.float64]) -> pa.Table:
    columns = {"id": ids, "place": places.astype(np.int64), "score": scores, "hash": id_hashes(ids)}
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def _least_sure(found: pa.Table) -> pa.Table:
    scores = found["score"].to_numpy()
    if len(scores) > LEAST_SURE:
        found = found.filter(pa.array(scores <= np.partition(scores, LEAST_SURE - 1)[LEAST_SURE - 1]))
    return found.sort_by([("score", "ascending"), ("id", "ascending")]).slice(0, LEAST_SURE)


def _sampled(found: pa.Table) -> pa.Table:
    """The first `SAMPLES_PER_CLASS` of each class by hash."""
    places, hashes = found["place"].to_numpy(), found["hash"].to_numpy()
    order = np.lexsort((hashes, places))
    ordered = places[order]
    ranks = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return found.take(pa.array(order[ranks < SAMPLES_PER_CLASS]))
