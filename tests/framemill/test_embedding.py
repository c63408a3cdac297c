"""`FrameEmbedder`: features of a video in this process, the same bits as the job writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import framemill
from schemas.quantization import quantize
from tests.support.videos import Clip, write_video

RANDOM = {"weights": "random:0", "pca": "random:0", "audio_weights": "random:0", "audio_pca": "random:0"}


@pytest.fixture(scope="module")
def embedder() -> framemill.FrameEmbedder:
    return framemill.FrameEmbedder(**RANDOM, precision="fp32")


def test_a_video_has_the_features_that_the_job_writes(embedder: framemill.FrameEmbedder, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", Clip(frames=80, sound="aac", sound_seconds=3.2))
    found = embedder.video(video)
    framemill.extract(video, tmp_path / "out", frame_features=True, precision="fp32", **RANDOM)
    stored = framemill.read(tmp_path / "out").iloc[0]
    codes = framemill.read(tmp_path / "out", frames=True, columns=["rgb", "audio"]).iloc[0]
    np.testing.assert_array_equal(found.mean_rgb, stored.mean_rgb)
    np.testing.assert_array_equal(found.mean_audio, stored.mean_audio)
    np.testing.assert_array_equal(quantize(found.frames), quantize(codes.rgb - 4 / 512))
    np.testing.assert_array_equal(quantize(found.sound), quantize(codes.audio - 4 / 512))
    assert found.seconds.tolist() == [0, 1, 2, 3]
    assert (found.has_audio, found.coverage) == (True, 1.0)
    assert found.duration_seconds == pytest.approx(stored.duration_seconds)


def test_a_still_picture_is_there_at_each_of_its_times(embedder: framemill.FrameEmbedder, tmp_path: Path) -> None:
    found = embedder.video(write_video(tmp_path / "a.mp4", Clip(frames=2, pts=[0, 270_000])))
    assert found.seconds.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.frames[0], found.frames[2])
    assert not found.has_audio
    assert not found.sound.any()


def test_pictures_of_any_sizes(embedder: framemill.FrameEmbedder) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((30, 40), (300, 200))]
    together = embedder.images(pictures)
    assert together.shape == (2, 1024)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together[1:], embedder.images(pictures[1:]))


def test_the_threads_of_torch_stay_as_they_are(embedder: framemill.FrameEmbedder) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        embedder.images([np.zeros((8, 8, 3), np.uint8)])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(framemill.InputError) as found:
        framemill.FrameEmbedder("incption", pca="random:x")
    assert len(found.value.problems) >= 2
    with pytest.raises(framemill.InputError, match="fp16"):
        framemill.FrameEmbedder(**RANDOM, precision="fp16")
