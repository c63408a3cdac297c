"""DIS flow of OpenCV, and the error where OpenCV is missing."""

import sys

import pytest
import torch

from extractors.flow.dis import dis_flow
from extractors.flow.fields import require_flow
from tests.extractors.flow.test_tvl1 import endpoint_errors, textured


def test_a_translation_is_found():
    whole = textured(96, 120).clamp(0, 255).byte()
    first, second = whole[:, 16:-16, 16:-16], whole[:, 14:-18, 13:-19]
    flow = dis_flow(torch.cat([first, first]), torch.cat([second, first]))
    assert flow.shape == (2, 2, 64, 88)
    assert endpoint_errors(flow[0, :, 12:-12, 12:-12], torch.tensor([3, 2])[:, None, None]).median() < 0.3
    assert flow[1].abs().max() < 0.1


def test_a_missing_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    require_flow(None)
    require_flow("tvl1")
    with pytest.raises(ImportError, match=r"which is missing: pip install 'framemill\[flow\]'"):
        require_flow("dis")
