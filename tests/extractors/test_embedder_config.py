"""What a configuration refuses, and what it says without a network."""

from __future__ import annotations

import subprocess
import sys

import pytest

from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.networks.precision import resolve_device, resolve_precision
from extractors.weights.resolve import ResolvedWeights

FRAMES, SOUND = ResolvedWeights("frames", "random:0", seed=0), ResolvedWeights("sound", "w", "w.pth", "0" * 64)


def test_sound_has_no_int8() -> None:
    with pytest.raises(ValueError, match="no int8 form"):
        AudioEmbedderConfig(SOUND, precision="int8")


@pytest.mark.parametrize("field", ["batch_size", "threads"])
def test_numbers_below_one_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be at least 1, got 0"):
        FrameEmbedderConfig(FRAMES, **{field: 0})  # type: ignore[arg-type]


def test_a_named_precision_is_taken_as_it_is_and_auto_is_that_of_the_device() -> None:
    fastest = resolve_precision("auto", resolve_device("auto"))
    assert FrameEmbedderConfig(FRAMES).fingerprint_parts()["precision"] == fastest
    assert FrameEmbedderConfig(FRAMES, precision="fp16").fingerprint_parts()["precision"] == "fp16"
    assert (FrameEmbedderConfig(FRAMES).is_random, AudioEmbedderConfig(SOUND).is_random) == (True, False)


def test_a_driver_makes_embedders_without_torch() -> None:
    program = (
        "import sys; from extractors.embedders import AudioEmbedder, FrameEmbedder; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)
