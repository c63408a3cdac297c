from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.clips import BYTES, IMAGENET, KINETICS, SIGNED, UNIT, ClipFormat

GOOD = ClipFormat(frames=16, height=112, width=112, resize=(128, 171), fps="15", **KINETICS)


def test_channels_are_those_of_the_means() -> None:
    assert GOOD.channels == 3
    assert replace(GOOD, mean=(0.5, 0.5), std=(0.5, 0.5)).channels == 2


def test_flow_is_of_2_channels_or_follows_rgb() -> None:
    for channels, has_rgb in ((2, False), (5, True)):
        flow = replace(GOOD, mean=(0.5,) * channels, std=(0.5,) * channels, flow="dis")
        assert (flow.channels, flow.has_rgb, flow.identity()["flow"]) == (channels, has_rgb, "dis")
    assert "flow" not in GOOD.identity()
    with pytest.raises(ValueError, match="flow is 'raft', it must be one of tvl1, dis; 3 channels with flow"):
        replace(GOOD, flow="raft")


def test_all_that_cannot_be_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="frames is 0") as error:
        replace(GOOD, frames=0, resize=(100,), std=(1.0, 0.0))
    message = str(error.value)
    assert "resize (100,) is too small to cut 112 x 112 out of it" in message
    assert "3 means and 2 deviations" in message
    assert "std is (1.0, 0.0)" in message


def test_resize_has_one_or_two_sizes() -> None:
    with pytest.raises(ValueError, match="shorter side"):
        replace(GOOD, resize=())
    assert replace(GOOD, resize=(112,)).resize == (112,)


@pytest.mark.parametrize(("scale", "black", "white"), [(UNIT, 0, 1), (SIGNED, -1, 1), (BYTES, 0, 255)])
def test_scales_reach_from_black_to_white(scale: dict[str, tuple[float, ...]], black: float, white: float) -> None:
    mean, std = scale["mean"][0], scale["std"][0]
    assert ((0 - mean) / std, (1 - mean) / std) == pytest.approx((black, white))


def test_normalised_scales_have_three_channels() -> None:
    assert len(IMAGENET["mean"]) == len(IMAGENET["std"]) == len(KINETICS["mean"]) == len(KINETICS["std"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 10**6}, "1000000 frames of 112 x 112.* 268,435,456 pixels"),
        ({"resize": (10**9,)}, r"resize is \(1000000000,\), at most 16384"),
    ],
)
def test_clips_are_bounded(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **changes)
