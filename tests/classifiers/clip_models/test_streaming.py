"""Every registered stream model, small: however a video is cut, each frame has the same logits."""

from __future__ import annotations

from itertools import pairwise

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from classifiers.clip_models.registry import build_clip_model, clip_model_entry, clip_model_names
from classifiers.clip_models.streaming import StreamModel
from classifiers.layers.stream import State

QUICK = ("movinet-a0-stream", "movinet-a3-stream")  # one of either kind; the others differ in numbers
NAMES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.heavy)
    for name in clip_model_names()
    if issubclass(clip_model_entry(name).model, StreamModel)
]
SMALL = {"width_factor": 0.125, "frames": 12, "height": 32, "width": 40, "dropout": 0.0}
CLASSES = 5
TOLERANCE = 1e-5  # of the logits' deviation


def small(name: str, **options: object) -> StreamModel:
    """A model in evaluation, none of whose branches is shut, after a few batches of noise."""
    torch.manual_seed(0)
    model = build_clip_model(name, num_classes=CLASSES, options=SMALL | options)
    assert isinstance(model, StreamModel)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 0:
                weight.fill_(0.3)
        for seed in range(3):
            model(noise(4, seed=seed)[:, :4])
    return model.eval()


def noise(videos: int, *, frames: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (videos, frames, 32, 40, 3), dtype=torch.uint8, generator=generator)


def streamed(
    model: StreamModel, clips: Tensor, lengths: list[int], state: State | None = None, memory_frames: int | None = None
) -> tuple[Tensor, State]:
    """The logits (N, T, K) of clips that are given in parts of these lengths, and the last state."""
    state, logits = state or {}, []
    with torch.inference_mode():
        for part in clips.split(lengths, dim=1):
            found, state = model.stream(part, state, memory_frames=memory_frames)
            logits.append(found)
    return torch.cat(logits, dim=1), state


def error(found: Tensor, expected: Tensor) -> float:
    """The greatest difference, in standard deviations of what is expected."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.std())


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_clip_is_its_frames_one_by_one_and_its_chunks(name: str) -> None:
    model, clips = small(name), noise(2)
    whole, state = streamed(model, clips, [12])
    assert whole.shape == (2, 12, CLASSES)
    assert error(whole[:, :1].expand_as(whole), whole) > 0.1  # what came before makes a difference
    with torch.inference_mode():
        assert error(whole[:, -1], model(clips)) < TOLERANCE
        assert error(whole, model.frame_logits(clips)) < TOLERANCE
        halfway = model.forward_stages(model.prepare(clips), 0, 3)
        assert error(whole, model.frame_logits(halfway, 3)) < TOLERANCE
    for lengths in ([1] * 12, [3, 1, 5, 3]):
        logits, last = streamed(model, clips, lengths)
        assert error(logits, whole) < TOLERANCE
        assert last.keys() == state.keys()
        for key, value in last.items():
            torch.testing.assert_close(value, state[key], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_with_a_memory_is_the_same_however_the_video_is_cut(name: str) -> None:
    model, clips = small(name), noise(2)
    plain, _ = streamed(model, clips, [12])
    whole, state = streamed(model, clips, [12], memory_frames=3)
    assert error(whole[:, :3], plain[:, :3]) < TOLERANCE
    assert error(whole[:, 4:], plain[:, 4:]) > 0.01
    for lengths in ([1] * 12, [3, 1, 5, 3]):
        logits, last = streamed(model, clips, lengths, memory_frames=3)
        assert error(logits, whole) < TOLERANCE
        for key, value in last.items():
            torch.testing.assert_close(value, state[key], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_videos_in_a_batch_are_as_each_alone(name: str) -> None:
    model, clips = small(name), noise(2)
    _, state = streamed(model, clips[:1, :5], [5])
    _, other_state = streamed(model, clips[1:, :2], [2])  # has seen fewer frames
    both = {key: torch.cat([value, other_state[key]]) for key, value in state.items()}
    rest = torch.cat([clips[:1, 5:8], clips[1:, 2:5]])
    together, after = streamed(model, rest, [1, 2], both)
    for place, (start, one) in enumerate(((5, state), (2, other_state))):
        alone, last = streamed(model, clips[place : place + 1, start : start + 3], [3], one)
        assert error(together[place : place + 1], alone) < TOLERANCE
        for key, value in last.items():
            torch.testing.assert_close(after[key][place : place + 1], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_is_plain_data_of_constant_size(name: str) -> None:
    model, clips = small(name), noise(2)
    start = model.initial_state(2)
    assert not any(value.any() for value in start.values())
    expected, state = streamed(model, clips, [2, 5, 5])
    logits, again = streamed(model, clips, [2, 5, 5], start)
    assert torch.equal(logits, expected)
    for key, value in again.items():
        assert (value.shape, value.dtype) == (start[key].shape, start[key].dtype)
        assert len(value) == 2
        assert torch.equal(value, state[key])
    restored = safetensors.torch.load(safetensors.torch.save(state))
    assert torch.equal(streamed(model, clips[:, :3], [3], restored)[0], streamed(model, clips[:, :3], [3], state)[0])


@settings(max_examples=25, deadline=None)
@given(cuts=st.sets(st.integers(1, 11)), saved=st.booleans())
def test_any_split_gives_the_same_logits(cuts: set[int], saved: bool) -> None:
    places = [0, *sorted(cuts), 12]
    logits, state = [], MODEL.initial_state(1)
    for start, end in pairwise(places):
        found, state = streamed(MODEL, CLIP[:, start:end], [end - start], state)
        state = safetensors.torch.load(safetensors.torch.save(state)) if saved else state
        logits.append(found)
    assert error(torch.cat(logits, dim=1), WHOLE) < TOLERANCE


MODEL, CLIP = small("movinet-a0-stream"), noise(1)
WHOLE = streamed(MODEL, CLIP, [12])[0]


def test_a_state_belongs_to_a_size_and_a_number_of_videos() -> None:
    state = MODEL.initial_state(1)
    with pytest.raises(ValueError, match=r"the state's frames is \(1,\), these frames need \(2,\)"):
        MODEL.stream(noise(2), state)
    with pytest.raises(ValueError, match=r"a state belongs to a number of videos and a size of frames"):
        MODEL.stream(noise(1)[:, :, :16], state)
    MODEL.stream(noise(1)[:, :, :16], MODEL.initial_state(1, (16, 40)))
    with pytest.raises(ValueError, match=r"takes clips of shape \(N, T, H, W, 3\), uint8"):
        MODEL.stream(noise(1)[0], state)


def test_bf16_streams_as_it_sees_whole_clips() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        frames, state = streamed(MODEL, CLIP, [1] * 12)
        whole = streamed(MODEL, CLIP, [12])[0]
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}
    assert error(frames.float(), whole.float()) < 0.05
    assert error(frames.float(), WHOLE) < 0.1


def test_a_long_stream_stays_exact() -> None:
    assert max(long_stream("movinet-a3-stream", chunk=250)) < TOLERANCE


@pytest.mark.heavy
def test_a_long_stream_of_single_frames_stays_exact() -> None:
    assert max(long_stream("movinet-a0-stream", chunk=1)) < TOLERANCE


def test_a_long_stream_in_bf16_does_not_drift() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        first, *errors = long_stream("movinet-a0-stream", chunk=250)
    assert max(errors) < 2 * first + 0.02


def long_stream(name: str, *, chunk: int, steps: int = 10_000) -> list[float]:
    """The error of a stream beside one in float64, after every 250 frames."""
    model, exact = (small(name, width_factor=0.0625, height=8, width=8) for _ in range(2))
    exact.double()
    values = model.prepare(noise(1, frames=250)[:, :, :8, :8])
    state: State = {}
    exact_state: State = {}
    errors = []
    with torch.inference_mode():
        for _ in range(steps // 250):
            for frames in values.split(chunk, dim=2):
                features, state = model.stream_features(frames, state)
            with torch.autocast("cpu", enabled=False):
                exact_features, exact_state = exact.stream_features(values.double(), exact_state)
                found, expected = model.head(features.float()), exact.head(exact_features)
            errors.append(error(found[:, -1].double(), expected[:, -1]))
    return errors
