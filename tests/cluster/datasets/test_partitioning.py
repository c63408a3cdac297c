"""Runs that share an output, each with a partition of its own: in one process, and in two at the same time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetError
from cluster.datasets.partitioning import COUNT_FILE, shared_lease
from cluster.datasets.partitions import WHOLE, Partition, hashes_of
from cluster.features.files import open_features
from cluster.storage.lease import Lease, LeaseError
from schemas.videos import Video
from tests.support.dataset import ROOT, rows
from tests.support.nightly_writers import failure, feature_row
from tests.support.servers import gs_bucket

HALVES = (Partition(1, 2), Partition(2, 2))
VIDEOS = [Video(f"{number:03d}", f"in/{number:03d}.mp4", version="1") for number in range(60)]
FAILING = {"007", "008"}
LATE = {
    "run_id": "r9",
    "rgb_dim": 8,
    "frame_features": True,
    "fingerprint": {"fps": "2"},
    "option_of": {"fps": "--fps"},
    "partition": HALVES[1],
}
# A run of a partition, which says when it is ready, and waits for the other one.
RUN = """
import sys
from cluster.datasets.partitions import Partition
from tests.cluster.datasets.test_partitioning import extract, opened

partition = Partition.parse(sys.argv[2])
dataset = opened(sys.argv[1], partition, f"r{partition.number}")
with dataset.lease():
    dataset.prepare()
    print("ready", flush=True)
    sys.stdin.readline()
    extract(dataset, labels=(f"class {partition.number}",))
"""


def opened(root: str | Path, partition: Partition = WHOLE, run_id: str = "r1") -> FeatureDataset:
    return FeatureDataset(
        str(root), run_id=run_id, rgb_dim=8, frame_features=False, fingerprint={"fps": "1"}, partition=partition
    )


def held_by(partition: Partition) -> list[Video]:
    mask = partition.holds(hashes_of(video.id for video in VIDEOS))
    return [video for video, is_held in zip(VIDEOS, mask, strict=True) if is_held]


def extract(dataset: FeatureDataset, labels: Sequence[str] = ()) -> None:
    """Commit the videos of a partition, two at a time."""
    dataset.name_classes([Video("x", "x", tuple(labels))])
    videos = held_by(dataset.partition)
    for number in range(0, len(videos), 2):
        some = videos[number : number + 2]
        done = [(feature_row(video, dataset.run_id), "1") for video in some if video.id not in FAILING]
        failed = [failure(video, dataset.run_id) for video in some if video.id in FAILING]
        dataset.commit(number, done, failed, ())


def test_two_processes_write_one_dataset_at_the_same_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with ExitStack() as stack:
        runs = [stack.enter_context(subprocess.Popen([*command, f"{part}/2"], **pipes)) for part in (1, 2)]
        for run in runs:
            assert run.stdout is not None
            assert run.stdout.readline() == "ready\n"
        assert (tmp_path / "lease-partition-1-of-2.json").exists()
        assert (tmp_path / "lease-partition-2-of-2.json").exists()
        for run in runs:
            assert run.stdin is not None
            run.stdin.write("\n")
            run.stdin.flush()
        assert [run.wait(timeout=120) for run in runs] == [0, 0]
    found = [row for partition in HALVES for row in rows(tmp_path, f"features/{partition.folder}")]
    assert sorted(str(row["id"]) for row in found) == [video.id for video in VIDEOS if video.id not in FAILING]
    assert {row["uri"] for row in found} == {"r1", "r2"}
    assert open_features([str(tmp_path)]).rows == len(VIDEOS) - len(FAILING), "readers see one dataset"
    failed = [row["id"] for partition in HALVES for row in rows(tmp_path, f"failures/{partition.folder}")]
    assert sorted(failed) == sorted(FAILING)
    names = (tmp_path / "vocabulary.csv").read_text()
    assert all(f'"class {number}"' in names for number in (1, 2)), "both have named their classes"
    assert not list(tmp_path.glob("lease*"))


def test_a_partition_sees_and_changes_its_own_files_alone(tmp_path: Path) -> None:
    for number, partition in enumerate(HALVES, 1):
        with (dataset := opened(tmp_path, partition, f"r{number}")).lease():
            dataset.prepare()
            extract(dataset)
    first, second = (opened(tmp_path, partition, "r3") for partition in HALVES)
    mine = [video.id for video in held_by(HALVES[0]) if video.id not in FAILING]
    assert sorted(first.settled().done) == mine
    with first.lease(), second.lease():
        others = {path: path.read_bytes() for path in tmp_path.rglob(f"{HALVES[1].folder}/*")}
        first.prepare()
        first.withdraw(set(mine[:3]) | {held_by(HALVES[1])[0].id})
        assert sorted(first.settled().done) == mine[3:]
        assert {path: path.read_bytes() for path in tmp_path.rglob(f"{HALVES[1].folder}/*")} == others
        with pytest.raises(LeaseError, match="r3"), opened(tmp_path, HALVES[0], "r4").lease():
            pass


def test_a_dataset_stays_divided_as_it_was_begun(tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    with (dataset := opened(whole)).lease():
        dataset.prepare()
        dataset.commit(0, [(feature_row(VIDEOS[0], "r1"), "1")], [], ())
    with pytest.raises(DatasetError, match="was written as a whole: go on without --partition"):
        opened(whole, HALVES[0]).check()
    with (dataset := opened(parted, HALVES[0])).lease():
        dataset.prepare()
    assert (parted / COUNT_FILE).read_text() == '2\n{"--frame-features": "no", "fps": "1"}\n'
    opened(parted, HALVES[1]).check()
    for other, remedy in (
        (WHOLE, r"framemill extract --partition 1/2 and the others"),
        (Partition(1, 3), "--partition K/2$"),
    ):
        match = f"is written in 2 partitions: give {remedy}"
        with pytest.raises(DatasetError, match=match):
            opened(parted, other).check()
    (parted / COUNT_FILE).write_text("two")
    with pytest.raises(DatasetError, match="does not say how the dataset is divided"):
        opened(parted).check()


@pytest.mark.parametrize("folder", ["ledger", "failures"])
def test_any_file_of_a_run_of_the_whole_counts(tmp_path: Path, folder: str) -> None:
    opened(tmp_path).commit(0, [(feature_row(VIDEOS[0], "r1"), "1")], [failure(VIDEOS[1], "r1")], ())
    for other in {"features", "ledger", "failures"} - {folder}:
        shutil.rmtree(tmp_path / other)
    for start in (FeatureDataset.check, FeatureDataset.prepare):
        with pytest.raises(DatasetError, match="was written as a whole"), opened(tmp_path, HALVES[0]).lease():
            start(opened(tmp_path, HALVES[0]))
    assert not (tmp_path / COUNT_FILE).exists()


def test_runs_of_the_whole_and_of_a_partition_exclude_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.datasets.partitioning.BEGIN_SECONDS", 0.3)
    with (whole := opened(tmp_path)).lease():
        whole.prepare()
        part = opened(tmp_path, HALVES[0], "r2")
        with part.lease(), pytest.raises(DatasetError, match=r"as a whole: wait until it ends(.|\n)*run r1"):
            part.prepare()
        extract(whole)
    with (whole := opened(tmp_path, run_id="r3")).lease():
        settled = whole.prepare()
    assert len(settled.done) + len(settled.failed) == len(VIDEOS), "whoever was there first goes on, now and later"
    with (part := opened(tmp_path, HALVES[0], "r4")).lease(), pytest.raises(DatasetError, match="written as a whole"):
        part.prepare()


def test_a_partition_that_another_has_begun_for_meanwhile_need_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.datasets.partitioning.BEGIN_SECONDS", 0.5)
    first, second = (opened(tmp_path, half, f"r{number}") for number, half in enumerate(HALVES))
    with first.lease():
        first.prepare()
    written = (tmp_path / COUNT_FILE).rename(tmp_path / "written")
    with shared_lease(str(tmp_path / "lease.json"), "r3"), second.lease():
        thread = Timer(0.2, written.rename, [tmp_path / COUNT_FILE])
        thread.start()
        second.prepare()
        thread.join()


def test_names_that_are_there_already_wait_for_no_other_partition(tmp_path: Path) -> None:
    first, second = (opened(tmp_path, half, f"r{number}") for number, half in enumerate(HALVES))
    with first.lease(), second.lease():
        first.add_classes(["cat", "dog"])
        with shared_lease(str(tmp_path / "lease-vocabulary.json"), "r3"):
            assert second.add_classes(["dog"]).names == second.add_classes([]).names == ["cat", "dog"]
        assert second.add_classes(["ant"]).names == ["cat", "dog", "ant"]


def test_partitions_have_the_same_settings(tmp_path: Path) -> None:
    with (dataset := opened(tmp_path, HALVES[0])).lease():
        assert not dataset.check()
        late = [FeatureDataset(str(tmp_path), **{**LATE, **change}) for change in ({}, {"fingerprint": {"fps": "1"}})]
        assert [other.check() for other in late] == [False, False]
        dataset.prepare()
        for other, line in zip(late, ("--fps: 1 there, 2 here", "--frame-features: no there, yes here"), strict=True):
            for start in (other.check, other.prepare):
                with pytest.raises(DatasetError, match=rf"{line}(.|\n)*remove .*{COUNT_FILE} to begin anew"):
                    start()
        assert opened(tmp_path, HALVES[1]).check(), "what the features are made with is known before there are any"
        extract(dataset)
    with pytest.raises(DatasetError, match=r"--fps: 1 there, 2 here(.|\n)*or write to another place$"):
        late[0].check()


def test_a_file_that_partitions_share_is_waited_for(tmp_path: Path) -> None:
    uri = str(tmp_path / "lease-vocabulary.json")
    started = time.monotonic()
    with shared_lease(uri, "r1"):
        with pytest.raises(LeaseError, match="run r1"), shared_lease(uri, "r2", 0.3):
            pass
        assert time.monotonic() > started + 0.3
    with shared_lease(uri, "r2"):
        pass


def test_partitions_of_a_bucket() -> None:
    with gs_bucket() as bucket:
        for number, partition in enumerate(HALVES, 1):
            with (dataset := opened(f"{bucket}/out", partition, f"r{number}")).lease():
                dataset.prepare()
                extract(dataset)
        expected = sum(video.id not in FAILING for video in held_by(HALVES[0]))
        assert len(opened(f"{bucket}/out", HALVES[0]).settled().done) == expected
        with pytest.raises(DatasetError, match="in 2 partitions"):
            opened(f"{bucket}/out").check()
        dead = Lease(f"{bucket}/left/lease.json", "r0")
        dead.acquire()
        with dead.changing([f"{bucket}/left/features/part-r0-00000.parquet"]):
            dead.release()
        with pytest.raises(DatasetError, match="has died: one without --partition clears what it has left"):
            opened(f"{bucket}/left", HALVES[0]).prepare()
