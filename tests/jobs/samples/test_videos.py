"""Sample videos decode, are the same for the same seed, and match their manifest."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.samples.scenes import SCENES
from jobs.samples.sounds import SOUNDS
from jobs.samples.videos import FORMATS, KINDS, Format, Sample, make_samples, plan, split_of, write_video

COUNT = 10


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("samples")
    make_samples(output, COUNT, seed=3)
    return output


def rows_of(folder: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def decoded(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def sounded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])


def test_manifest_and_folder_hold_the_same_videos_one_of_them_broken(samples: Path) -> None:
    rows = rows_of(samples)
    assert list(rows[0]) == ["id", "uri", "labels", "split"]
    assert len({row["id"] for row in rows}) == len(rows) == COUNT + 1
    files = {path.relative_to(samples).as_posix() for path in samples.rglob("*") if path.suffix != ".csv"}
    assert {row["uri"] for row in rows} == {file for file in files if "." in file}
    for row in rows[:-1]:
        assert row["uri"].rpartition(".")[0] == row["id"]
        assert row["labels"] == row["uri"].split("/")[0]
        assert row["split"] in ("train", "validate", "test")
    assert rows[-1] == {"id": "broken/broken-01", "uri": "broken/broken-01.mp4", "labels": "", "split": ""}
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(samples / rows[-1]["uri"]))


@pytest.mark.heavy
def test_late_videos_arrive_and_a_cut_upload_is_mended_by_the_next_night(tmp_path: Path) -> None:
    make_samples(tmp_path, 1, seed=0, nights=2)
    base, first, second = (rows_of(tmp_path, name) for name in ("manifest.csv", "night-1.csv", "night-2.csv"))
    assert [row["id"] for row in base] == ["bouncing/bouncing-01", "broken/broken-01"]
    assert first[:2] == base
    assert len(first) == 2 + len(KINDS) + 1
    assert len(second) == len(first) + len(KINDS)
    assert {row["labels"] for row in first[2:]} == {""}
    cut, mended = ({row["id"]: row["uri"] for row in rows}["broken/broken-02"] for rows in (first, second))
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(tmp_path / cut))
    assert len(list(decoded(tmp_path / mended))) == 96
    unchanged = [row for row in second if row["id"] != "broken/broken-02"]
    assert unchanged[: len(first) - 1] == first[:-1]
    assert all((tmp_path / row["uri"]).is_file() for row in second)


def test_the_default_manifest_has_all_three_splits_for_every_kind() -> None:
    splits = [(sample.kind, split_of(sample)) for sample in plan(36, seed=0)]
    for kind in KINDS:
        assert sorted(split for each, split in splits if each == kind) == ["test", "train", "train", "validate"]


def test_every_video_decodes_to_its_planned_length_and_size(samples: Path) -> None:
    for sample, row in zip(plan(COUNT, seed=3), rows_of(samples), strict=False):
        frames = list(decoded(samples / row["uri"]))
        assert row["id"] == sample.id
        assert len(frames) == int(sample.seconds * sample.format.fps)
        assert frames[0].shape == (sample.format.height, sample.format.width, 3)
        first, last = frames[0].astype(int), frames[-1].astype(int)
        assert first.std() > 3, f"{sample.id} shows nothing"
        assert np.abs(first - last).mean() > 0.5, f"{sample.id} does not move"
        assert np.abs(sounded(samples / row["uri"]).astype(float)).max() > 0.1


@pytest.mark.heavy
def test_same_seed_same_pictures_and_sound_another_seed_others(samples: Path, tmp_path: Path) -> None:
    make_samples(tmp_path / "again", 3, seed=3)
    make_samples(tmp_path / "other", 3, seed=4)
    for again, other in zip(rows_of(tmp_path / "again")[:3], rows_of(tmp_path / "other")[:3], strict=True):
        path = samples / again["uri"]
        pairs = zip(decoded(path), decoded(tmp_path / "again" / again["uri"]), strict=True)
        assert all(np.array_equal(left, right) for left, right in pairs)
        assert np.array_equal(sounded(path), sounded(tmp_path / "again" / again["uri"]))
        assert not np.array_equal(next(decoded(path)), next(decoded(tmp_path / "other" / other["uri"])))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.extension}-{form.video}-{form.width}x{form.height}")
def test_every_format_can_be_written_and_read(form: Format, tmp_path: Path) -> None:
    sample = Sample(kind="waves", number=1, format=form, seconds=1.0, seed=(0, 0))
    path = tmp_path / f"one.{sample.format.extension}"
    write_video(sample, path)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
        assert len(container.streams.audio) == (0 if sample.format.audio is None else 1)
        frames = list(container.decode(video=0))
    assert len(frames) == int(sample.format.fps)
    assert frames[0].rotation == sample.format.rotation


def test_a_rotated_video_is_upright_once_its_rotation_is_applied(tmp_path: Path) -> None:
    upright = next(form for form in FORMATS if form.width < form.height and not form.rotation)
    turned = next(form for form in FORMATS if form.rotation)
    pictures = []
    for name, form in (("upright", upright), ("turned", turned)):
        path = tmp_path / f"{name}.mp4"
        write_video(Sample(kind="bar-chart", number=1, format=form, seconds=0.5, seed=(0, 0)), path)
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            pictures.append(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90).astype(int))
    assert pictures[0].shape == pictures[1].shape == (320, 240, 3)
    assert np.abs(pictures[0] - pictures[1]).mean() < 4


def test_the_default_plan_has_each_kind_equally_often_in_many_formats() -> None:
    samples = list(plan(36, seed=0))
    assert {kind: sum(sample.kind == kind for sample in samples) for kind in KINDS} == dict.fromkeys(KINDS, 4)
    assert math.gcd(len(KINDS), len(FORMATS)) == 1
    assert {sample.format.extension for sample in samples} == {"mp4", "webm", "mkv", "avi", "ts", "mov"}
    assert sum(sample.format.audio is None for sample in samples) == 1
    assert sum(sample.format.width == 1280 for sample in samples) == 1
    assert all(4 <= sample.seconds <= 12 for sample in samples)
    assert list(plan(36, seed=0)) == samples


def test_every_kind_has_its_scene_and_a_sound_of_its_own() -> None:
    assert set(KINDS) == set(SCENES)
    assert sorted(KINDS.values()) == sorted(SOUNDS)
