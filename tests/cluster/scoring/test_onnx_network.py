"""Exported networks as workers have them: pickled, loaded once, and to the numbers of torch."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from classifiers.export.exported_classifier import ExportedClipClassifier
from classifiers.export.exported_file import read_exported
from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.weights.checkpoint import Checkpoint
from cluster.engines.wire import pack, unpack
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.onnx_network import OnnxClipNetwork, OnnxStreamNetwork
from cluster.scoring.stream_network import StreamNetwork, to_arrays, to_state
from extractors.segments import Segment
from tests.support.clips import trained_clips
from tests.support.exports import exported, plain_stream

FRAMES = np.random.default_rng(0).integers(0, 256, (12, 32, 40, 3), np.uint8)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def classifier(checkpoint: Checkpoint) -> ExportedClipClassifier:
    return ExportedClipClassifier({"c": read_exported(exported(checkpoint)[1])})


def test_clips_come_to_what_torch_makes_of_them() -> None:
    checkpoint = trained_clips(temperature=1.5)
    clips = torch.randint(0, 256, (3, 4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    network: OnnxClipNetwork = pickle.loads(pickle.dumps(OnnxClipNetwork(classifier(checkpoint))))
    network.setup()
    expected = ClipNetwork(TrainedClipClassifier({"c": checkpoint}), "fp32").embed_prepared(clips)
    found = network.embed_prepared(iter(clips))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(network.embed_prepared([clips[1]]), found[1:2])
    assert network.embed_prepared([]).shape == (0, found.shape[1])


def test_frames_come_to_what_torch_makes_of_them_also_on_another_worker() -> None:
    checkpoint = plain_stream()
    expected, _ = _ready(StreamNetwork(TrainedClipClassifier({"c": checkpoint}), "fp32")).watch(FRAMES, {})
    network = _ready(OnnxStreamNetwork(classifier(checkpoint)))
    size = len(pickle.dumps(network))
    first, state = network.watch(FRAMES[:5], to_state(None))
    received = unpack(Segment, pack(Segment(1, 2, 2, None, to_arrays(state))))
    second, _ = pickle.loads(pickle.dumps(network)).watch(FRAMES[5:], to_state(received.state))
    np.testing.assert_allclose(torch.cat([first, second]), expected, rtol=0, atol=1e-4 * float(expected.std()))
    assert len(pickle.dumps(network)) == size, "the loaded file travels"
    again, _ = network.watch(FRAMES[5:], state)
    assert torch.equal(again, second)


def test_numbers_that_are_not_finite_are_refused() -> None:
    checkpoint = trained_clips()
    state = {name: value * float("nan") if name == "head.bias" else value for name, value in checkpoint.state.items()}
    network = OnnxClipNetwork(classifier(dataclasses.replace(checkpoint, state=state)))
    with pytest.raises(FloatingPointError, match="export it again"):
        network.embed_prepared([torch.zeros(4, 28, 28, 3, dtype=torch.uint8)])
    stream = _ready(OnnxStreamNetwork(classifier(plain_stream())))
    _, past = stream.watch(FRAMES, {})
    broken = {key: value * float("nan") if value.is_floating_point() else value for key, value in past.items()}
    with pytest.raises(FloatingPointError, match="export it again"):
        stream.watch(FRAMES, broken)
    with pytest.raises(ValueError, match="takes frames of shape"):
        stream.watch(FRAMES[:, :24], past)


def _ready(network):
    network.setup()
    network.setup()
    return network
