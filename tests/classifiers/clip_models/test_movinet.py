from __future__ import annotations

import pytest
import torch
from torch import nn

from classifiers.clip_models.movinet import Block, divisible, halve
from classifiers.clip_models.registry import build_clip_model
from tests.support import clip_parity


@pytest.mark.parametrize("size", ["a0", "a1", "a2"])
def test_published_weights_give_the_published_network(size: str) -> None:
    fixture = f"movinet_{size}_base"
    model = clip_parity.filled(f"movinet-{size}", fixture)
    with torch.inference_mode():
        logits = model(clip_parity.clip(fixture))
    assert clip_parity.error(logits, clip_parity.golden(fixture)["logits"]) < clip_parity.TOLERANCE


@pytest.mark.parametrize(("height", "width"), [(5, 5), (6, 6), (5, 6), (6, 5), (2, 1)])
def test_means_at_the_border_exclude_padding(height: int, width: int) -> None:
    values = torch.randn(2, 3, 2, height, width, dtype=torch.float64)
    found = halve(values)
    assert found.shape[3:] == (-(-height // 2), -(-width // 2))
    for row in range(found.shape[3]):
        for column in range(found.shape[4]):
            # An odd size is padded by one before, an even one not at all.
            top, left = 2 * row - height % 2, 2 * column - width % 2
            window = values[..., max(0, top) : top + 3, max(0, left) : left + 3]
            torch.testing.assert_close(found[..., row, column], window.mean(dim=(3, 4)))


def test_a_new_residual_block_is_the_identity() -> None:
    values = torch.randn(1, 8, 3, 6, 6)
    assert torch.equal(Block(8, 24, 8, (3, 3, 3), 1)(values), values)


def test_frames_need_not_be_square() -> None:
    options = {"width_factor": 0.25, "frames": 4, "height": 20, "width": 33}
    model = build_clip_model("movinet-a0", num_classes=3, options=options).eval()
    assert model(torch.zeros(1, 4, 20, 33, 3, dtype=torch.uint8)).shape == (1, 3)
    assert model.clip_format.resize == (36,)


def test_gate_channels_are_multiples_of_eight_and_at_least_nine_tenths() -> None:
    assert [divisible(channels) for channels in (1, 8, 11, 12, 20, 27, 46, 86)] == [8, 8, 16, 16, 24, 32, 48, 88]


def test_the_squeeze_is_the_published_one() -> None:
    block = Block(8, 344, 104, (1, 5, 5), 1)
    assert isinstance(block.se.fc1, nn.Conv3d)
    assert block.se.fc1.out_channels == 88
