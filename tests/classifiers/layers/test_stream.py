from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.layers.stream import (
    FRAMES,
    Chain,
    CumulativeMean,
    FrameBuffer,
    FramePosition,
    State,
    Stream,
    StreamLayer,
    name_layers,
)


def passed(
    layer: StreamLayer, parts: list[Tensor], state: State | None = None, memory_frames: int | None = None
) -> tuple[list[Tensor], State]:
    """The outputs of a layer for parts of videos (N, T, …), one after the other, and the last state."""
    state, outputs = state or {}, []
    for part in parts:
        videos, frames = part.shape[:2]
        stream = Stream(state, videos=videos, frames=frames, device=part.device, memory_frames=memory_frames)
        outputs.append(layer(part, stream))
        state = stream.state
    return outputs, state


def named(layer: StreamLayer) -> StreamLayer:
    layer.key = "layer"
    return layer


def test_frames_are_counted_for_each_video() -> None:
    stream = Stream({FRAMES: torch.tensor([0, 5])}, videos=2, frames=3, device=torch.device("cpu"))
    assert stream.times.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert stream.state[FRAMES].tolist() == [3, 8]


def test_layers_get_the_key_of_their_place() -> None:
    network = nn.ModuleDict({"a": Chain(FrameBuffer(1), nn.Identity(), CumulativeMean())})
    name_layers(network)
    assert [module.key for module in network.modules() if isinstance(module, StreamLayer)] == ["a", "a.0", "a.2"]


def test_a_state_of_other_frames_or_layers_is_refused() -> None:
    state = {FRAMES: torch.tensor([1]), "layer": torch.zeros(2, 3)}
    stream = Stream(state, videos=1, frames=1, device=torch.device("cpu"))
    with pytest.raises(ValueError, match="the state lacks other: a state belongs to a network"):
        stream.past("other", (1, 3), torch.zeros(()))
    with pytest.raises(ValueError, match=r"the state's layer is \(2, 3\), these frames need \(1, 3\): a state belongs"):
        stream.past("layer", (1, 3), torch.zeros(()))


@pytest.mark.parametrize("lengths", [[7], [1] * 7, [1, 4, 2], [5, 1, 1]])
def test_the_buffer_holds_the_last_frames(lengths: list[int]) -> None:
    values = torch.arange(1.0, 8).reshape(1, 7, 1, 1, 1).repeat(2, 1, 2, 3, 1)
    buffer = named(FrameBuffer(2))
    outputs, state = passed(buffer, list(values.split(lengths, dim=1)))
    before = torch.cat([torch.zeros(2, 2, 2, 3, 1), values], dim=1)
    start = 0
    for output, length in zip(outputs, lengths, strict=True):
        assert torch.equal(output, before[:, start : start + 2 + length])
        start += length
    assert torch.equal(state["layer"], values[:, -2:])
    assert torch.equal(buffer(values), before)


def test_the_state_does_not_keep_the_part_in_memory() -> None:
    _, state = passed(named(FrameBuffer(2)), [torch.ones(1, 50, 4, 4, 3)])
    assert state["layer"].untyped_storage().nbytes() == 2 * 4 * 4 * 3 * 4


def test_a_state_keeps_its_type() -> None:
    part = torch.ones(1, 3, 2, 2, 1, dtype=torch.bfloat16)
    reduced = {FRAMES: torch.tensor([0]), "layer": torch.zeros(1, 2, 2, 2, 1).bfloat16()}
    for start, kept in (({}, torch.float32), (reduced, torch.bfloat16)):
        (joined,), state = passed(named(FrameBuffer(2)), [part], start)
        assert (joined.dtype, state["layer"].dtype) == (torch.bfloat16, kept)
    _, state = passed(named(FrameBuffer(2)), [part.double()])
    assert state["layer"].dtype == torch.float64


@pytest.mark.parametrize("lengths", [[6], [1] * 6, [2, 3, 1]])
def test_the_mean_is_that_of_all_frames_so_far(lengths: list[int]) -> None:
    values = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([values[:, : time + 1].mean(dim=1) for time in range(6)], dim=1)
    mean = named(CumulativeMean())
    outputs, state = passed(mean, list(values.split(lengths, dim=1)))
    torch.testing.assert_close(torch.cat(outputs, dim=1), expected)
    torch.testing.assert_close(mean(values), expected)
    torch.testing.assert_close(state["layer"][:, 0], expected[:, -1])


def faded(values: Tensor, memory_frames: int) -> NDArray[np.float64]:
    """The means (N, T, C) as defined, in float64: each moves towards its frame by 1/t of their distance, later 1/M."""
    means, mean = [], np.zeros_like(values[:, 0].double().numpy())
    for count, frame in enumerate(values.double().numpy().swapaxes(0, 1), 1):
        mean = mean + (frame - mean) / min(count, memory_frames)
        means.append(mean)
    return np.stack(means, axis=1)


@pytest.mark.parametrize("memory_frames", [1, 2, 5, 40, 1 << 40])
@pytest.mark.parametrize("lengths", [[40], [1] * 40, [3, 1, 16, 20]], ids=["whole", "one by one", "chunks"])
def test_a_mean_with_a_memory_forgets_what_is_older(lengths: list[int], memory_frames: int) -> None:
    values = 3 + torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0))
    outputs, state = passed(named(CumulativeMean()), list(values.split(lengths, dim=1)), memory_frames=memory_frames)
    found, expected = torch.cat(outputs, dim=1), faded(values, memory_frames)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    np.testing.assert_allclose(state["layer"][:, 0], expected[:, -1], rtol=0, atol=2e-6)
    plain, _ = passed(named(CumulativeMean()), list(values.split(lengths, dim=1)))
    torch.testing.assert_close(found[:, :memory_frames], torch.cat(plain, dim=1)[:, :memory_frames])


def test_videos_of_a_batch_forget_by_their_own_time() -> None:
    state = {FRAMES: torch.tensor([0, 100]), "layer": torch.zeros(2, 2, 1)}
    (found,), _ = passed(named(CumulativeMean()), [torch.ones(2, 3, 1)], state, memory_frames=4)
    np.testing.assert_allclose(found[..., 0], [[1, 1, 1], 1 - 0.75 ** np.arange(1, 4)], rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "memory_frames"), [(torch.float32, None), (torch.bfloat16, None), (torch.float32, 300)]
)
def test_the_mean_of_a_long_stream_does_not_drift(dtype: torch.dtype, memory_frames: int | None) -> None:
    steps = 20_000
    values = (100 + torch.randn(1, steps, 4, generator=torch.Generator().manual_seed(0))).to(dtype)
    expected = faded(values, memory_frames or steps)
    outputs, _ = passed(named(CumulativeMean()), list(values.split(1, dim=1)), memory_frames=memory_frames)
    error = np.abs(torch.cat(outputs, dim=1).numpy() - expected)
    assert error.max() < 2e-5  # a sum of 2,000,000 in float32 is known to 0.06, and its mean to that over the steps
    still, _ = passed(named(CumulativeMean()), [values[:, :1]] * 1000, memory_frames=memory_frames)
    assert torch.equal(still[-1], values[:, :1].float())  # nothing moves, so nothing is rounded


def test_positions_are_sines_and_cosines_at_any_time() -> None:
    position = FramePosition(6)
    assert torch.equal(position(torch.ones(1, 2, 6)), torch.ones(1, 2, 6))
    with torch.no_grad():
        position.scale.fill_(0.5)
    for time in (0, 3, 10_000_000):
        angles = [time / 10_000 ** (2 * pair / 6) for pair in range(3)]
        expected = [0.5 * math.sin(angle) for angle in angles] + [0.5 * math.cos(angle) for angle in angles]
        (output,), _ = passed(position, [torch.zeros(1, 1, 6)], {FRAMES: torch.tensor([time])})
        torch.testing.assert_close(output[0, 0], torch.tensor(expected))
