"""A clip task and its outcome, as they go to a decoder process and back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cluster.clips.decoder import ClipTask, answer, decode
from cluster.datasets.manifest import read_videos
from cluster.engines.guarded_processes import Response
from cluster.storage.read_policy import ReadPolicy
from extractors.clips.sampling import ClipSampling
from schemas.clips import KINETICS, ClipFormat
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.videos import Video
from tests.support.servers import http_files
from tests.support.tars import tar_bytes
from tests.support.trainings import COLOURS, write_clip

FORMAT = ClipFormat(frames=4, height=16, width=24, resize=(18, 32), fps="12.5", **KINETICS)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> ClipTask:
    path = write_clip(tmp_path_factory.mktemp("clips") / "line\nbreak é.mp4", COLOURS["red"], 1)
    video = Video("id", str(path), labels=("a name", 3), start_seconds=0, end_seconds=1)
    sampling = ClipSampling(placement="random", speed=(0.5, 1.25), random_crop=True)
    return ClipTask(video, FORMAT, sampling, 1 << 62, 1 << 30, 60.0, ClipSampling())


def test_an_answered_task_is_the_decoded_clip(task: ClipTask) -> None:
    assert (task.shape, task.size_bytes) == ((4, 16, 24, 3), 4 * 16 * 24 * 3)
    response = answer(task.encoded())
    assert (response.header, len(response.payload)) == ({}, task.size_bytes)
    clip = task.outcome_of(response)
    assert isinstance(clip, np.ndarray)
    np.testing.assert_array_equal(clip, decode(task))


def test_an_interval_of_a_fraction_of_a_second_arrives_as_it_is(task: ClipTask) -> None:
    part = replace(task, video=replace(task.video, start_seconds=Fraction(7, 20), end_seconds=Fraction(13, 10)))
    clip = part.outcome_of(answer(part.encoded()))
    assert isinstance(clip, np.ndarray)
    np.testing.assert_array_equal(clip, decode(part))


def test_a_clip_of_a_tars_member_is_that_of_the_file(task: ClipTask, tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    tar.write_bytes(tar_bytes([("first.mp4", b"x"), ("v.mp4", Path(task.video.uri).read_bytes())]))
    _, member = read_videos(str(tar))
    packed = replace(task, video=replace(member, id="id", start_seconds=0, end_seconds=1))
    clip = packed.outcome_of(answer(packed.encoded()))
    assert isinstance(clip, np.ndarray)
    np.testing.assert_array_equal(clip, decode(task))


def test_an_unreadable_video_comes_back_as_its_error(task: ClipTask, tmp_path: Path) -> None:
    missing = replace(task, video=replace(task.video, uri=str(tmp_path / "nowhere.mp4")))
    error = missing.outcome_of(answer(missing.encoded()))
    assert isinstance(error, VideoError)
    with pytest.raises(VideoError) as caught:
        decode(missing)
    assert (error.code, error.message, error.stage) == (FailureCode.MISSING, caught.value.message, caught.value.stage)


def test_a_video_is_read_as_far_as_the_policy_allows(task: ClipTask, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(Path(task.video.uri).read_bytes())
    with http_files(tmp_path) as web:
        copied = replace(task, video=replace(task.video, uri=f"{web}/whole/a.mp4"))
        assert isinstance(copied.outcome_of(answer(copied.encoded())), np.ndarray)
        limited = replace(copied, policy=ReadPolicy(copy_bytes=100))
        error = limited.outcome_of(answer(limited.encoded()))
    assert isinstance(error, VideoError)
    assert error.code is FailureCode.COPY_LIMIT


def test_an_error_of_the_program_is_not_blamed_on_the_video(task: ClipTask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("https://host/v?sig=SECRET")

    monkeypatch.setattr("cluster.clips.decoder.decode_clips", broken)
    with pytest.raises(VideoError, match="an error in this program: ") as caught:
        decode(task)
    assert caught.value.code is FailureCode.INTERNAL
    assert "SECRET" not in caught.value.message


@pytest.mark.parametrize(
    "response",
    [
        Response({}, b"short"),
        Response({"code": "unheard_of", "message": "m", "stage": "decode"}),
        Response({"code": "damaged"}),
    ],
)
def test_the_response_of_a_process_is_not_trusted(task: ClipTask, response: Response) -> None:
    error = task.outcome_of(response)
    assert isinstance(error, VideoError)
    assert (error.code, error.stage) == (FailureCode.INTERNAL, Stage.DECODE)
