from __future__ import annotations

import pickle
import sys
from typing import Any

import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.clip_stage import ClipStage
from tests.support.clips import FLOW_OPTIONS, trained_clips


def stage(network: Any = None, **model: Any) -> ClipStage:
    trained = TrainedClipClassifier({"c": trained_clips(**model)})
    return ClipStage(
        network=network or ClipNetwork(trained, "fp32"), clip_format=trained.clips.format, max_pixels=1 << 20
    )


class Exported:
    """A network that runs in its own process alone."""

    def setup(self) -> None:
        pass


def test_the_network_comes_to_a_worker_with_its_stage() -> None:
    sent = pickle.loads(pickle.dumps(stage()))
    sent.setup()
    form = sent.clip_format
    clips = torch.zeros((2, form.frames, form.height, form.width, form.channels), dtype=torch.uint8)
    assert sent.network.embed_prepared(iter(clips)).shape == (2, sent.network.dim)


def test_a_network_of_torch_can_run_elsewhere_and_no_other() -> None:
    one, another = stage(), stage(seed=1)
    assert list(one.networks) == ["network"]
    assert one.with_networks(another.networks).networks == another.networks != one.networks
    assert stage(Exported()).networks == {}


def test_a_missing_library_of_the_flow_is_told_before_a_video_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = stage(model="i3d-flow", options=FLOW_OPTIONS, flow="dis")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match="framemill\\[flow\\]"):
        flow.setup()
