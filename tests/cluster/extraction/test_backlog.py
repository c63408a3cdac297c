"""The backlog in one part and in many: the same videos are left to do, and the same are settled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from cluster.datasets import feature_dataset, manifest
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import RETRY_ALL
from cluster.datasets.listed_videos import ListedVideos
from cluster.datasets.manifest import open_input
from cluster.datasets.manifest_videos import with_versions
from cluster.datasets.partitions import WHOLE, hashes_of
from cluster.datasets.video_folder import FolderListing
from cluster.extraction import backlog as backlog_module
from cluster.extraction.backlog import Backlog
from cluster.extraction.config import ExtractionOptions
from cluster.storage.buckets import StoredFile
from schemas.failures import FailureRow
from schemas.videos import Video
from tests.support.dataset import ids, rows
from tests.support.folders import touch
from tests.support.nightly_writers import failure, feature_row
from tests.support.nightly_writers import feature_dataset as dataset_of
from tests.support.tars import tar_bytes

COUNT = 40
NAMES = [f"{number:02d}" for number in range(COUNT)]
CHANGED, FAILED, LEFT, NEW = NAMES[3], NAMES[7], NAMES[11], NAMES[30:]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    touch(tmp_path / "in", *(f"sub/{name}.mp4" for name in NAMES))
    return tmp_path / "in"


@pytest.fixture
def output(videos: Path, tmp_path: Path) -> Path:
    """Most videos have rows, three a shard; one has changed, one failed, and one has a failure that a crash left."""
    dataset = dataset_of(str(tmp_path / "out"), "r1")
    with closing(open_input(str(videos))) as stream:
        settled = [video for video in stream.all() if video.id[-2:] not in NEW]
    rows = [(feature_row(video, "r1"), content(video)) for video in settled if not video.id.endswith(FAILED)]
    for number in range(0, len(rows), 3):
        failures = [failure(video, "r1") for video in settled if video.id.endswith((FAILED, LEFT))]
        dataset.commit(number, rows[number : number + 3], failures if number == 0 else [], ())
    return tmp_path / "out"


def content(video: Video) -> str:
    return "another" if video.id.endswith(CHANGED) else video.version


@pytest.fixture(params=["one part", "many parts"])
def in_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Limits that a small dataset is above."""
    if request.param == "many parts":
        monkeypatch.setattr(manifest, "FIRST_FILES", 5)
        monkeypatch.setattr("cluster.datasets.video_folder.FILES_AT_ONCE", 2)
        monkeypatch.setattr(feature_dataset, "FEW_FILES", 4)
    return request.param == "many parts"


def backlog(videos: Path, output: Path, **options: object) -> Iterator[tuple[Backlog, FeatureDataset]]:
    given = ExtractionOptions.of(input=str(videos), output=str(output), **options)
    dataset = dataset_of(str(output), "r2")
    with dataset.lease(), closing(open_input(given.input)) as stream, closing(Backlog(stream, dataset, given)) as made:
        made.begin()
        yield made, dataset


def test_what_is_new_or_has_changed_is_left(videos: Path, output: Path, in_parts: bool) -> None:
    for made, _ in backlog(videos, output):
        assert made.is_known != in_parts
        assert made.first()
        made.withdraw()
        pending = [video.id for video in made if video is not None]
        assert sorted(pending) == [f"sub/{name}" for name in sorted([CHANGED, *NEW])]
        assert in_parts or pending == sorted(pending)
        assert (made.videos, made.settled, made.pending, made.is_known) == (COUNT, 29, 11, True)
        assert made.failures.among(made.settled) == "29 settled before, of them 1 failed (--retry-failed)"
        assert (made.retried, made.is_empty) == ({}, True)
    rest = [name for name in NAMES if name not in (CHANGED, FAILED, *NEW)]
    assert ids(output) == ids(output, "ledger") == [f"sub/{name}" for name in rest]
    assert ids(output, "failures") == [f"sub/{FAILED}"]


def test_failures_are_taken_up_and_their_files_are_known(videos: Path, output: Path, in_parts: bool) -> None:
    for made, dataset in backlog(videos, output, retry_failed=RETRY_ALL):
        pending = [video for video in made if video is not None]
        assert made.retried == {f"sub/{FAILED}": (str(output / "failures" / "part-r1-00000.parquet"),)}
        again = next(video for video in pending if video.id.endswith(FAILED))
        dataset.commit(0, [(feature_row(again, "r2"), again.version)], [], made.retried, made.retried)
    assert ids(output, "failures") == []


def test_nothing_is_left_where_all_is_settled(videos: Path, output: Path, in_parts: bool) -> None:
    dataset = dataset_of(str(output), "r3")
    for made, _ in backlog(videos, output):
        rows = [(feature_row(video, "r2"), video.version) for video in made if video is not None]
        dataset.commit(0, rows, [], ())
    for made, _ in backlog(videos, output):
        assert (made.is_empty, made.first(), list(made)) == (True, [], [])
        assert (made.videos, made.settled) == (COUNT, COUNT)


def test_rows_that_stand_twice_are_repaired_part_by_part(videos: Path, output: Path, in_parts: bool) -> None:
    twice = Video(f"sub/{NAMES[0]}", "x")
    dataset_of(str(output), "r2").commit(
        9, [(feature_row(twice, "r2"), "v")], [FailureRow(twice.id, *"xxxx", 1, "r2", "")], ()
    )
    for made, _ in backlog(videos, output):
        assert [video.id for video in made if video is not None].count(twice.id) == 1, "it has other content"
    assert twice.id not in [*ids(output), *ids(output, "failures")]


def test_a_part_that_comes_again_is_not_repaired_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_dataset, "FEW_FILES", 0)
    names = [f"{number}" for number in range(2000)]
    numbers = WHOLE.parts(hashes_of(names))
    twice, left, new, later = [name for name, number in zip(names, numbers, strict=True) if number == numbers[0]][:4]
    r1, r2 = (dataset_of(str(tmp_path / "out"), run_id) for run_id in ("r1", "r2"))
    r1.commit(0, [(feature_row(Video(twice, "x"), "r1"), "v@1")], [failure(Video(left, "x"), "r1")], ())
    for number, name in enumerate((twice, left, later)):
        r2.commit(number, [(feature_row(Video(name, "x"), "r2"), "v")], [], ())
    is_taken = Event()

    def files() -> Iterator[list[StoredFile]]:
        yield [StoredFile(f"{tmp_path}/{name}.mp4", 1, "v") for name in (twice, left, new)]
        is_taken.wait()
        yield [StoredFile(f"{tmp_path}/{later}.mp4", 1, "w")]

    options = ExtractionOptions.of(input=str(tmp_path), output=str(tmp_path / "out"))
    stream = ListedVideos(FolderListing(str(tmp_path)), files(), lambda found: None)
    dataset = dataset_of(str(tmp_path / "out"), "r3")
    with dataset.lease(), closing(stream), closing(Backlog(stream, dataset, options)) as made:
        made.begin()
        assert [video.id for video in made.first()] == [new]
        is_taken.set()
        assert [video.id for video in made if video is not None] == [new, later]
        assert (made.seen, made.settled) == (4, 2)
    assert ids(tmp_path / "out") == ids(tmp_path / "out", "ledger") == sorted([twice, left])
    assert ids(tmp_path / "out", "failures") == []


def test_settled_parts_cost_the_engine_no_wait(videos: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_dataset, "FEW_FILES", 4)
    monkeypatch.setattr(backlog_module, "POLL_SECONDS", 60.0)
    for made, _ in backlog(videos, output):
        assert not made.is_known
        assert None not in list(made)


def test_an_index_saves_the_reading_of_files(videos: Path, output: Path, in_parts: bool) -> None:
    dataset = dataset_of(str(output), "r3")
    with dataset.lease():
        dataset.index_ledger()
    assert (output / "index" / "r3.parquet").exists() == in_parts
    for made, _ in backlog(videos, output):
        assert len(made._rows.unindexed) == (0 if in_parts else 11)
        assert len([video for video in made if video is not None]) == 11
    (output / "features" / "part-r1-00000.parquet").unlink()
    for made, _ in backlog(videos, output):
        list(made)
        assert made.pending == 11 + 3, "what has lost its shard since counts no more"


@pytest.mark.parametrize("source", ["in", "m.csv"])
def test_settled_rows_get_labels_that_tars_hold_once_all_is_known(
    tmp_path: Path, source: str, in_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "FIRST_ROWS", manifest.FIRST_FILES)
    touch(tmp_path / "in", *(f"{name}.mp4" for name in NAMES))
    (tmp_path / "in" / "t.tar").write_bytes(tar_bytes([("a.mp4", b"1"), ("a.cls", b"7"), ("b.mp4", b"2")]))
    (tmp_path / "m.csv").write_text("id,uri\nt,in/t.tar\n" + "".join(f"{name},in/{name}.mp4\n" for name in NAMES))
    output, source = tmp_path / "out", str(tmp_path / source)
    dataset = dataset_of(str(output), "r1")
    settled = [f"t/{name}" for name in "ab"]
    with closing(open_input(source)) as stream:
        done = [(feature_row(video, "r1"), video.version) for video in with_versions(stream.all())]
    for number, row in enumerate(done):
        dataset.commit(number, [row], [], ())
    for made, _ in backlog(Path(source), output):
        assert made.is_empty
        assert (bool(made.annotate()), bool(made.annotate_late())) == (not in_parts, in_parts)
    held = {row["id"]: row["labels"] for row in rows(output)}
    assert [held[name] for name in settled] == [[7], []]
    assert held[NAMES[0]] == []
