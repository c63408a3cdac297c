from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.generated_motions import CLASSES, CLIP_SECONDS, RATE, TURN_FRAMES, draw_turns, write_set
from cluster.timelines.annotations import read_truth

SCENES = {"train": 2, "validation": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("motions")
    write_set(output, scenes=SCENES, long=1, size=32)
    return output


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_motion_backwards_is_its_opposite() -> None:
    turns = draw_turns((0, 0, 0), "train", 32)
    assert set(turns) == set(CLASSES)
    for forward, backward in (("right", "left"), ("grow", "shrink")):
        assert len(turns[forward]) == TURN_FRAMES
        np.testing.assert_array_equal(turns[forward], turns[backward][::-1])


def test_the_manifest_names_a_clip_of_each_class_and_scene(written: Path) -> None:
    with (written / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(CLASSES) * sum(SCENES.values())
    assert len(pictures(written / rows[0]["uri"])) == CLIP_SECONDS * RATE


def test_the_truth_covers_the_long_videos(written: Path) -> None:
    (intervals,) = read_truth(str(written / "truth.csv")).videos.values()
    assert sorted(one.label for one in intervals) == sorted(CLASSES)
    ends = [one.end_seconds for one in intervals]
    assert [one.start_seconds for one in intervals] == [0, *ends[:-1]]
    assert len(pictures(written / "long" / "0.mp4")) == ends[-1] * RATE


def test_equal_seeds_give_equal_files(written: Path, tmp_path: Path) -> None:
    write_set(tmp_path, scenes=SCENES, long=1, size=32)
    assert contents(tmp_path) == contents(written)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
