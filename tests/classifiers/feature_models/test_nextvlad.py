from __future__ import annotations

import pytest
import torch

from classifiers.feature_models.nextvlad import GroupedVlad
from classifiers.feature_models.registry import build_model


def test_residuals_equal_the_sums_by_hand() -> None:
    torch.manual_seed(0)
    vlad = GroupedVlad(dim=4, clusters=3, groups=2, expansion=2).double().eval()
    valid = torch.tensor([[True, True, False], [True, True, True]])
    rows = torch.randn(5, 4).double()
    found = vlad(rows, valid)
    scale = (1 + 1e-3) ** -0.5
    for video, part in enumerate((rows[:2], rows[2:])):
        wide = vlad.widen(part)
        attention = vlad.attention(wide).sigmoid()
        scores = vlad.assignment(wide) * scale
        residuals = torch.zeros(3, 4).double()
        for frame in range(len(part)):
            for group in range(2):
                shares = scores[frame, group * 3 : group * 3 + 3].softmax(0) * attention[frame, group]
                residuals += shares[:, None] * (wide[frame, group * 4 : group * 4 + 4] - vlad.centres)
        expected = residuals / residuals.norm(dim=1, keepdim=True)
        torch.testing.assert_close(found[video], expected.flatten() * scale)


def test_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        state = build_model("nextvlad", num_classes=3862).state_dict()
    shapes = {
        "rgb.widen.weight": (2048, 1024),
        "rgb.attention.weight": (8, 2048),
        "rgb.assignment.weight": (8 * 128, 2048),
        "rgb.centres": (128, 256),
        "audio.widen.weight": (256, 128),
        "audio.attention.weight": (4, 256),
        "audio.assignment.weight": (4 * 64, 256),
        "audio.centres": (64, 64),
        "hidden.weight": (2048, 128 * 256 + 64 * 64),
        "gate.squeeze.weight": (256, 2048),
        "gate.excite.weight": (2048, 256),
        "head.weight": (3862, 2048),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


def test_incompatible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="10 features x expansion 2 must be divisible by 8 groups"):
        build_model("nextvlad", num_classes=3, rgb_dim=10)
    with pytest.raises(ValueError, match="gating_reduction is 8, it must be at most hidden, 4"):
        build_model("nextvlad", num_classes=3, options={"hidden": 4})
