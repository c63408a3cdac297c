"""Stream networks as workers have them: pickled, built once, and given a few frames at a time."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from classifiers.clip_models.streaming import StreamModel
from classifiers.inference import clip_classifier
from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from cluster.engines.wire import pack, unpack
from cluster.scoring.stream_network import StreamNetwork, memory_frames, to_arrays, to_state
from extractors.segments import Segment
from tests.support.clips import STREAM, STREAM_OPTIONS, trained_clips
from tests.support.devices import DEVICES

FRAMES: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (12, 32, 40, 3), np.uint8)
CHECKPOINT = trained_clips(STREAM, options=STREAM_OPTIONS)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained() -> TrainedClipClassifier:
    return TrainedClipClassifier({"c": CHECKPOINT})


def ready(trained: TrainedClipClassifier, precision: str = "fp32") -> StreamNetwork:
    network: StreamNetwork = pickle.loads(pickle.dumps(StreamNetwork(trained, precision)))
    network.setup()
    network.setup()
    return network


def test_logits_are_those_of_the_model_however_the_frames_come(trained: TrainedClipClassifier) -> None:
    model = clip_model_of(CHECKPOINT).eval()
    assert isinstance(model, StreamModel)
    with torch.inference_mode():
        expected = model.stream(torch.from_numpy(FRAMES)[None], {})[0][0]
    network, state, found = ready(trained), to_state(None), []
    for start, stop in ((0, 1), (1, 8), (8, 12)):
        logits, state = network.watch(FRAMES[start:stop], state)
        found.append(logits)
    assert torch.cat(found).shape == (12, network.num_classes)
    np.testing.assert_allclose(torch.cat(found), expected, atol=1e-5 * float(expected.std()))


def test_a_state_from_the_cpu_moves_to_the_device_of_the_network(
    trained: TrainedClipClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the meta device, which has no values, but refuses tensors of the CPU as a GPU does."""
    network = ready(trained)
    monkeypatch.setattr(clip_classifier, "_reduced", lambda values: nullcontext())  # autocast knows no such device
    _, state = network.watch(FRAMES[:2], to_state(None))
    device = network._device = torch.device("meta")
    network._model.to(device)
    logits, later = network._stream(FRAMES[2:3], to_state(to_arrays(state)))
    assert logits.device == device
    assert {value.device for value in later.values()} == {device}
    assert later.keys() == state.keys()


def test_a_state_that_has_travelled_is_the_same_to_the_bit(trained: TrainedClipClassifier) -> None:
    network = ready(trained)
    _, state = network.watch(FRAMES[:8], to_state(None))
    expected, _ = network.watch(FRAMES[8:], state)
    segment = Segment(1, 2, 2, None, to_arrays(state))
    received = unpack(Segment, pack(segment))
    assert not received.state["0.frames"].flags.writeable
    found, _ = ready(trained).watch(FRAMES[8:], to_state(received.state))
    assert torch.equal(found, expected)


def test_a_network_forgets_as_the_model_does(trained: TrainedClipClassifier) -> None:
    model = clip_model_of(CHECKPOINT).eval()
    assert isinstance(model, StreamModel)
    with torch.inference_mode():
        expected = model.stream(torch.from_numpy(FRAMES)[None], {}, memory_frames=5)[0][0]
    network = pickle.loads(pickle.dumps(StreamNetwork(trained, "fp32", memory_frames=memory_frames(trained, 1.0))))
    network.setup()
    first, state = network.watch(FRAMES[:7], {})
    second, _ = network.watch(FRAMES[7:], to_state(to_arrays(state)))
    np.testing.assert_allclose(torch.cat([first, second]), expected, atol=1e-5 * float(expected.std()))


def test_the_seconds_of_a_memory_are_frames_at_the_network_s_rate(trained: TrainedClipClassifier) -> None:
    assert memory_frames(trained, None) is None
    assert [memory_frames(trained, seconds) for seconds in (0.2, 1.0, 60, 1e7)] == [1, 5, 300, 50_000_000]
    with pytest.raises(ValueError, match=r"0.05, less than a frame .* 5 a second: give at least 0.2"):
        memory_frames(trained, 0.05)
    without_rate = CHECKPOINT.config.clips
    assert without_rate is not None
    without_rate = replace(without_rate, format=replace(without_rate.format, fps=None))
    config = replace(CHECKPOINT.config, clips=without_rate)
    with pytest.raises(ValueError, match="knows no rate"):
        memory_frames(TrainedClipClassifier({"c": replace(CHECKPOINT, config=config)}), 1.0)
    with pytest.raises(ValueError, match="--memory-seconds goes with stream networks"):
        memory_frames(TrainedClipClassifier({"c": trained_clips()}), 1.0)


def test_a_pickle_holds_weights_and_no_models(trained: TrainedClipClassifier) -> None:
    network = ready(trained)
    assert len(pickle.dumps(network)) < len(pickle.dumps(StreamNetwork(trained, "fp32"))) + 100


def test_frames_of_another_size_than_the_state_are_refused(trained: TrainedClipClassifier) -> None:
    network = ready(trained)
    _, state = network.watch(FRAMES, to_state(None))
    with pytest.raises(ValueError, match="a number of videos and a size of frames"):
        network.watch(FRAMES[:, :24], state)


def test_numbers_that_are_not_finite_are_refused(trained: TrainedClipClassifier) -> None:
    network = ready(trained)
    _, state = network.watch(FRAMES, to_state(None))
    broken = {key: value * float("nan") if value.is_floating_point() else value for key, value in state.items()}
    with pytest.raises(FloatingPointError, match="give another --precision"):
        network.watch(FRAMES, broken)


def test_bf16_is_another_precision(trained: TrainedClipClassifier) -> None:
    expected, _ = ready(trained).watch(FRAMES, to_state(None))
    found, state = ready(trained, "bf16").watch(FRAMES, to_state(None))
    assert 0 < float((found - expected).abs().max()) < 0.1 * float(expected.abs().max())
    assert pack(Segment(state=to_arrays(state)))  # every type of it can travel


@pytest.mark.parametrize("device", DEVICES)
def test_a_network_continues_where_another_device_left_off(
    trained: TrainedClipClassifier, device: torch.device
) -> None:
    expected, state = ready(trained).watch(FRAMES, to_state(None))
    network = StreamNetwork(trained, "fp32", device=str(device))
    network.setup()
    _, first = ready(trained).watch(FRAMES[:5], to_state(None))
    logits, last = network.watch(FRAMES[5:], first)
    np.testing.assert_allclose(logits, expected[5:], atol=1e-4 * float(expected.std()))
    assert {value.device.type for value in last.values()} == {device.type}
    assert to_arrays(last).keys() == to_arrays(state).keys()
