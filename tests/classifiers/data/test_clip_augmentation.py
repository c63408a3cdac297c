"""Every transformation is the named one, the same for all frames of a clip, and drawn for each clip."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from classifiers.data.augmentation_config import ClipAugmentationConfig
from classifiers.data.clip_augmentation import ClipAugmentation

ALL = ClipAugmentationConfig(flip=0.5, crop=0.8, zoom=0.8, rotation=0.8, colour=0.8, blur=0.8)


def clips(count: int = 4, frames: int = 3, height: int = 24, width: int = 32) -> Tensor:
    """Smooth pictures, so that moving them a little changes them a little."""
    y = torch.linspace(0, 1, height)[:, None, None]
    x = torch.linspace(0, 1, width)[None, :, None]
    channel = torch.arange(3)[None, None, :]
    base = 127 + 80 * torch.sin(5 * x + 2 * channel) * torch.cos(4 * y + channel)
    shades = torch.arange(count * frames).view(count, frames, 1, 1, 1) % 7
    return (base + 5 * shades).round().to(torch.uint8)


def change(batch: Tensor, *, seed: int = 0, **options: Any) -> Tensor:
    torch.manual_seed(seed)
    return ClipAugmentation(ClipAugmentationConfig(**options)).train()(batch)  # type: ignore[no-any-return]


def test_evaluation_passes_clips_as_they_are() -> None:
    batch = clips()
    assert ClipAugmentation(ALL).eval()(batch) is batch
    assert ClipAugmentation(ClipAugmentationConfig()).train()(batch) is batch


def test_shape_and_type_are_kept() -> None:
    batch = clips()
    changed = change(batch, **dataclasses.asdict(ALL))
    assert changed.shape == batch.shape
    assert changed.dtype == torch.uint8
    assert changed.is_contiguous()
    assert not torch.equal(changed, batch)


def test_equal_seeds_give_equal_results() -> None:
    batch = clips()
    options = dataclasses.asdict(ALL)
    assert torch.equal(change(batch, seed=3, **options), change(batch, seed=3, **options))
    assert not torch.equal(change(batch, seed=3, **options), change(batch, seed=4, **options))


@pytest.mark.parametrize("name", ["flip", "crop", "zoom", "rotation", "colour", "blur"])
def test_all_frames_of_a_clip_get_the_same_transformation(name: str) -> None:
    frame = clips(1, 1)
    batch = frame.expand(16, 3, *frame.shape[2:]).contiguous()
    changed = change(batch, **{name: 0.5 if name == "flip" else 1.0})
    assert (changed == changed[:, :1]).all()
    different = len({tuple(clip.flatten().tolist()) for clip in changed})
    assert different == 2 if name == "flip" else different > 12  # two slight blurs may round to the same


@pytest.mark.parametrize("name", ["flip", "crop", "zoom", "rotation", "colour", "blur"])
def test_transformations_apply_at_their_probability_and_other_clips_stay_equal(name: str) -> None:
    frame = clips(1, 1)
    batch = frame.expand(400, 1, *frame.shape[2:]).contiguous()
    is_changed = (change(batch, **{name: 0.3}) != batch).flatten(1).any(1)
    assert 80 < int(is_changed.sum()) < 160


def test_a_flip_is_a_mirror_image() -> None:
    assert torch.equal(change(clips(), flip=1.0), clips().flip(3))


@pytest.mark.parametrize("channels", [2, 5])
def test_vectors_of_flow_follow_the_picture(channels: int) -> None:
    flow = torch.full((1, 2, 24, 32, channels), 90, dtype=torch.uint8)
    flow[..., -2:] = torch.tensor([147, 137])  # 19.5 levels to the right, 9.5 downwards
    mirrored = change(flow, flip=1.0)
    assert mirrored[..., -2:].reshape(-1, 2).unique(dim=0).tolist() == [[108, 137]]
    assert (mirrored[..., :-2] == 90).all()
    zoomed = change(flow, zoom=1.0, zoom_factor=(2.0, 2.0))
    assert zoomed[..., -2:].reshape(-1, 2).unique(dim=0).tolist() in ([[166, 146]], [[166, 147]])  # 127.5 + 39, + 19
    for seed in range(3):
        turned = change(flow, seed=seed, rotation=1.0, rotation_degrees=90.0)[0, 0, 12, 16, -2:].float() - 127.5
        assert turned.norm() == pytest.approx((19.5**2 + 9.5**2) ** 0.5, abs=0.8)


def test_a_turned_picture_of_a_motion_shows_the_turned_motion() -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")

    def spot(right: float, down: float) -> Tensor:
        return 255 * torch.exp(-((x - 32 - right) ** 2 + (y - 24 - down) ** 2) / 50)

    both = torch.full((1, 2, 48, 64, 5), 127.5)
    both[0, 0, ..., 0], both[0, 1, ..., 0] = spot(0, 0), spot(8, 3)
    both[..., 3], both[..., 4] = 127.5 + 8, 127.5 + 3
    changed = change(both.round().byte(), seed=3, flip=1.0, rotation=1.0, rotation_degrees=60.0)[0].float()
    weights = changed[..., 0]
    centres = [torch.stack([(one * x).sum(), (one * y).sum()]) / one.sum() for one in weights]
    torch.testing.assert_close(centres[1] - centres[0], changed[0, 24, 32, 3:] - 127.5, atol=1.0, rtol=0)


def test_a_crop_of_the_whole_frame_changes_nothing() -> None:
    batch = clips(height=24, width=24)
    assert torch.equal(change(batch, crop=1.0, crop_area=(1.0, 1.0), crop_ratio=(1.0, 1.0)), batch)


def test_a_crop_is_a_part() -> None:
    """A quarter of a picture that counts its own columns and rows, anywhere in it."""
    ramp = torch.arange(64)
    batch = torch.stack(torch.broadcast_tensors(ramp[None, :] * 4, ramp[:, None] * 4, torch.zeros(64, 64)), -1)
    batch = batch.to(torch.uint8)[None, None].expand(30, 1, -1, -1, -1)
    changed = change(batch, crop=1.0, crop_area=(0.25, 0.25), crop_ratio=(1.0, 1.0)).float()
    for axis, channel in ((2, 0), (1, 1)):
        spans = changed[:, 0, :, :, channel].amax((1, 2)) - changed[:, 0, :, :, channel].amin((1, 2))
        assert ((spans - 126).abs() <= 2).all(), axis  # half of 4 · 63
        starts = changed[:, 0, 0, 0, channel]
        assert starts.min() < 20
        assert starts.max() > 100


def test_zoom_enlarges_the_centre() -> None:
    batch = torch.zeros(1, 1, 40, 40, 3, dtype=torch.uint8)
    batch[:, :, 15:25, 15:25] = 255
    area = (change(batch, zoom=1.0, zoom_factor=(2.0, 2.0)).float() / 255).mean() * 1600
    assert 390 < area < 410


def test_rotation_keeps_shape_and_area() -> None:
    """A square in the middle keeps its area and its width along a diagonal shows the angle."""
    batch = torch.zeros(1, 1, 60, 100, 3, dtype=torch.uint8)
    batch[:, :, 20:40, 40:60] = 255
    for seed in range(5):
        turned = change(batch, seed=seed, rotation=1.0, rotation_degrees=45.0)[0, 0, :, :, 0].float() / 255
        assert abs(turned.sum() - 400) < 4
        y, x = torch.meshgrid(torch.arange(60.0) - 29.5, torch.arange(100.0) - 49.5, indexing="ij")
        # Second moments of a square are those of any turned square: no shear, no stretch.
        moments = [(turned * first * second).sum() / 400 for first, second in ((x, x), (y, y), (x, y))]
        assert abs(moments[0] - moments[1]) < 0.4
        assert abs(moments[2]) < 0.4


def test_colours() -> None:
    batch = clips(32, 1)
    grey = change(batch, colour=1.0, brightness=0.0, contrast=0.0, saturation=1.0, hue=0.0).float()
    assert (grey.amax(-1) - grey.amin(-1)).flatten(1).amax(1).min() < 20  # one of 32 is nearly grey
    hue = change(batch, colour=1.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.05).float()
    weights = torch.tensor([0.299, 0.587, 0.114])
    inside = ((hue > 0) & (hue < 255)).all(-1)
    luma = ((hue - batch.float()) @ weights).abs()[inside]
    assert luma.max() < 1
    assert not torch.equal(hue.to(torch.uint8), batch)
    bright = change(batch, colour=1.0, brightness=0.5, contrast=0.0, saturation=0.0, hue=0.0).float()
    ratio = bright.flatten(1).mean(1) / batch.float().flatten(1).mean(1)
    assert ratio.min() < 0.7
    assert ratio.max() > 1.2
    flat = change(batch, colour=1.0, brightness=0.0, contrast=1.0, saturation=0.0, hue=0.0).float()
    assert (flat.flatten(1).std(1) / batch.float().flatten(1).std(1)).min() < 0.1


def test_blur_smooths_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    noise = torch.randint(0, 256, (4, 2, 32, 32, 3), dtype=torch.uint8)
    blurred = change(noise, blur=1.0, blur_pixels=(1.0, 2.0)).float()
    assert (blurred.flatten(1).std(1) < 0.5 * noise.float().flatten(1).std(1)).all()
    assert ((blurred.flatten(1).mean(1) - noise.float().flatten(1).mean(1)).abs() < 3).all()
    tiny = change(noise[:, :, :2, :3], blur=1.0, blur_pixels=(50.0, 50.0))
    assert tiny.shape == (4, 2, 2, 3, 3)


def test_colours_of_two_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 4, 4, 2\)"):
        change(torch.zeros(1, 1, 4, 4, 2, dtype=torch.uint8), colour=1.0)
    assert change(torch.zeros(1, 1, 4, 4, 2, dtype=torch.uint8), flip=1.0).shape == (1, 1, 4, 4, 2)
