from __future__ import annotations

import pytest
import torch

from classifiers.clip_models.p3d import Bottleneck
from classifiers.clip_models.registry import build_clip_model
from tests.support import clip_parity


@pytest.mark.parametrize(
    "fixture",
    ["p3d63", pytest.param("p3d131", marks=pytest.mark.heavy), pytest.param("p3d199", marks=pytest.mark.heavy)],
)
def test_published_weights_give_the_published_network(fixture: str) -> None:
    expected = clip_parity.golden(fixture)
    model = clip_parity.filled(fixture.replace("p3d", "p3d-"), fixture)
    with torch.inference_mode():
        features = model.forward_features(model.prepare(clip_parity.clip(fixture)))
        logits = model.forward_head(features)
    assert clip_parity.error(features, expected["feat"]) < clip_parity.TOLERANCE
    assert clip_parity.error(logits, expected["logits"]) < clip_parity.TOLERANCE


@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_each_kind_of_block(kind: str) -> None:
    block = Bottleneck(64, 64, kind=kind, stride=1).eval()
    block.load_state_dict(
        {key.removeprefix("block."): value for key, value in clip_parity.arrays("p3d_blocks").items()}
    )
    values = torch.from_numpy(
        clip_parity.weights.gaussian(clip_parity.MANIFEST["p3d_blocks"]["seed"], 1, 64, 4, 10, 10)
    )
    with torch.inference_mode():
        found = block(values)[0, :, :, ::3, ::3]
    assert clip_parity.error(found, clip_parity.golden("p3d_blocks")[f"block_{kind}"]) < clip_parity.TOLERANCE


def test_kinds_of_blocks_alternate_over_all_layers() -> None:
    with torch.device("meta"):
        model = build_clip_model("p3d-63", num_classes=2, options={"kinds": ["A", "B"]})
    found = [block.kind for block in model.modules() if isinstance(block, Bottleneck)]
    assert found == [*"ABABABABABABA", None, None, None]


def test_a_clip_of_double_length_is_averaged_over_both_halves() -> None:
    options = {"width_factor": 0.125, "height": 32, "width": 32, "kinds": ["A"]}
    torch.manual_seed(0)
    model = build_clip_model("p3d-63", num_classes=2, options=options).eval()
    stem = model.prepare(torch.randint(0, 256, (1, 16, 32, 32, 3), dtype=torch.uint8))
    one_frame = model.forward_stages(stem, 0, 4)
    assert one_frame.shape[2] == 1
    other = torch.randn_like(one_frame)
    both = model.forward_stages(torch.cat([one_frame, other], dim=2), 4)
    apart = (model.forward_stages(one_frame, 4) + model.forward_stages(other, 4)) / 2
    torch.testing.assert_close(both, apart)


def test_short_clips_are_not_pooled_below_one_frame() -> None:
    options = {"width_factor": 0.125, "height": 32, "width": 32}
    model = build_clip_model("p3d-63", num_classes=2, options=options).eval()
    assert model(torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8)).shape == (1, 2)
