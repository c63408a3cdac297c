"""Recordings hold what was planned, frame by frame, and their annotations say the same."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.samples.movements import MOVEMENTS, WORKOUTS
from jobs.samples.recordings import ATHLETE, FEWEST_FRAMES, Recording, make_recordings, plan_recordings


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Recording]]:
    folder = tmp_path_factory.mktemp("project")
    return folder, make_recordings(folder, athletes=1, repetitions=2, seed=5)


def annotation_of(folder: Path, recording: Recording) -> dict:
    return json.loads((folder / "workouts" / "ann" / f"{recording.name}.json").read_text())


def test_annotations_say_what_was_planned(project: tuple[Path, list[Recording]]) -> None:
    folder, recordings = project
    assert [one.workout for one in recordings] == list(WORKOUTS)
    for recording in recordings:
        annotation = annotation_of(folder, recording)
        person, *tags = annotation["tags"]
        assert (person["name"], person["value"]) == (ATHLETE, "athlete-01")
        assert "frameRange" not in person
        planned = [(one.movement, [one.first, one.last]) for one in recording.repetitions]
        assert [(tag["name"], tag["frameRange"]) for tag in tags] == planned
        assert {tag["name"] for tag in tags} == set(WORKOUTS[recording.workout])
    meta = json.loads((folder / "meta.json").read_text())
    assert [tag["name"] for tag in meta["tags"]] == [*MOVEMENTS, ATHLETE]
    keys = [tag["key"] for one in recordings for tag in annotation_of(folder, one)["tags"]]
    assert len(set(keys)) == len(keys)


def test_each_frame_of_a_video_is_the_one_that_was_drawn(project: tuple[Path, list[Recording]]) -> None:
    folder, recordings = project
    recording = recordings[0]
    with av.open(str(folder / "workouts" / "video" / recording.name)) as container:
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(int)
    drawn = np.stack(list(recording.pictures())).astype(int)
    assert len(decoded) == len(drawn) == recording.frames == annotation_of(folder, recording)["framesCount"]
    for one in recording.repetitions:
        for number in range(one.first + 1, one.last):
            around = [abs(decoded[number] - drawn[number + step]).mean() for step in (-1, 0, 1)]
            assert np.argmin(around) == 1, (one, number)


def test_a_repetition_fills_its_frames_and_nothing_moves_between_two(project: tuple[Path, list[Recording]]) -> None:
    recording = project[1][0]
    poses = {number: phase for one in recording.repetitions for number, phase in phases(one)}
    assert {poses[one.first] for one in recording.repetitions} == {0.0}
    assert {poses[one.last] for one in recording.repetitions} == {1.0}
    assert len(poses) < recording.frames  # the rests, which are no repetitions


def phases(one):
    return ((number, one.phase(number)) for number in range(one.first, one.last + 1))


def test_repetitions_are_of_uneven_length_and_do_not_overlap() -> None:
    recordings = list(plan_recordings(athletes=10, repetitions=6, seed=0))
    repetitions = [one for recording in recordings for one in recording.repetitions]
    lengths = [one.last - one.first + 1 for one in repetitions]
    assert min(lengths) == FEWEST_FRAMES == 10
    assert len(set(lengths)) > 10
    for recording in recordings:
        ends = [-1, *(one.last for one in recording.repetitions)]
        assert all(end < one.first for end, one in zip(ends, recording.repetitions, strict=False))
        counts = [sum(one.movement == name for one in recording.repetitions) for name in WORKOUTS[recording.workout]]
        assert all(4 <= count <= 8 for count in counts)
    assert len({recording.name for recording in recordings}) == 30
    assert len({sum(one.movement == name for one in repetitions) for name in MOVEMENTS}) > 1


def test_the_same_seed_gives_the_same_files(project: tuple[Path, list[Recording]], tmp_path: Path) -> None:
    folder, _ = project
    make_recordings(tmp_path, athletes=1, repetitions=2, seed=5)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(names) == 7
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name
    first, other = (next(plan_recordings(1, 2, seed)) for seed in (5, 6))
    assert first.repetitions != other.repetitions
