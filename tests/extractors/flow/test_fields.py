"""Flow in the published form: hand-worked levels, OpenCV's numbers, and what pairs share."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from classifiers.clip_models.registry import build_clip_model
from extractors.flow.fields import flow_fields, grey, quantised
from schemas.clips import DIS, TVL1

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "flow" / "tvl1.npz"


@pytest.fixture(scope="module")
def stored():
    with np.load(FIXTURE) as arrays:
        return dict(arrays)


def test_levels_are_those_worked_out_by_hand():
    pixels = torch.tensor([-100.0, -20.0, -19.9, -10.0, -1.0, 0.0, 1.0, 10.0, 19.9, 20.0, 100.0])
    flow = torch.stack([pixels, -pixels])[None, :, None]  # (1, 2, 1, 11)
    levels = quantised(flow)
    # (pixels + 20) * 255 / 40: 0, 0, 0.64, 63.75, 121.1, 127.5, 133.9, 191.25, 254.4, 255, 255
    assert levels[0, 0, :, 0].tolist() == [0, 0, 1, 64, 121, 128, 134, 191, 254, 255, 255]
    assert levels[0, 0, :, 1].tolist() == [255, 255, 254, 191, 134, 128, 121, 64, 1, 0, 0]


def test_a_network_gets_what_opencv_and_the_published_recipe_give(stored):
    model = build_clip_model("i3d-flow", num_classes=2, options={"width_factor": 0.1})
    (field,) = flow_fields([tuple(stored["frames"])], TVL1)
    prepared = model.prepare(torch.from_numpy(field)[None, None])[0, :, 0].permute(1, 2, 0).numpy()  # (H, W, 2)
    differences = np.abs(prepared - stored["published"].astype(np.float32))
    assert np.abs(stored["published"]).max() > 0.15  # of 20 pixels
    assert differences.mean() < 1 / 255  # half a level of rounding, and what the two flows differ by
    assert np.quantile(differences, 0.95) < 2 / 255


def test_grey_is_opencvs(stored):
    for frame in stored["frames"]:
        np.testing.assert_array_equal(grey(frame), cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize("method", [TVL1, DIS])
def test_pairs_are_apart(method, stored):
    first, second = (np.ascontiguousarray(frame[:40, :48]) for frame in stored["frames"])
    there, back, still, again = flow_fields([(first, second), (second, first), (first, first), (first, second)], method)
    assert there is again
    assert (still == 128).all()
    np.testing.assert_array_equal(there, flow_fields([(first, second)], method)[0])
    assert np.median(there[..., 0].astype(int) - 127.5) * np.median(back[..., 0].astype(int) - 127.5) < 0


def test_nothing_moves_between_frames_of_different_sizes(stored):
    first, second = stored["frames"]
    (field,) = flow_fields([(first, second[:50])], TVL1)
    assert field.shape == (*first.shape[:2], 2)
    assert (field == 128).all()
