from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from classifiers.weights.checkpoint import CheckpointError
from extractors.clips.sampling import ClipSampling
from tests.support.checkpoints import trained
from tests.support.clips import OPTIONS, STREAM, STREAM_OPTIONS, trained_clips

FRAMES = torch.randint(0, 256, (2, 9, 32, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
CLIPS = torch.randint(0, 256, (5, 4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def outputs_of(built):
    with torch.inference_mode():
        return built(built.prepare(CLIPS)).numpy()


def test_features_before_the_head_and_logits_at_the_temperature():
    checkpoint = trained_clips(temperature=2.0)
    found = TrainedClipClassifier({"c": checkpoint})
    model = clip_model_of(checkpoint).eval()
    with torch.inference_mode():
        features = model.forward_features(model.prepare(CLIPS))
        expected = torch.cat([features, model(CLIPS) / 2], dim=1).numpy()
    outputs = outputs_of(pickle.loads(pickle.dumps(found)).build())
    assert outputs.shape == (5, found.dim) == (5, model.feature_dim + 4)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_several_checkpoints_and_views_are_averaged_as_probabilities(task):
    members = [
        trained_clips(seed=seed, task=task, temperature=temperature) for seed, temperature in ((1, 0.5), (2, 3.0))
    ]
    found = TrainedClipClassifier(dict(zip("ab", members, strict=True)))
    to_shares = torch.sigmoid if task == "multi-label" else lambda logits: torch.softmax(logits, dim=1)
    with torch.inference_mode():
        shares = [to_shares(clip_model_of(one).eval()(CLIPS).double() / one.config.temperature) for one in members]
    expected = torch.stack(shares).mean(dim=(0, 1)).numpy()
    places, scores = found.views.top_classes(outputs_of(found.build()), 3)
    assert places.tolist() == np.argsort(-expected)[:3].tolist()
    np.testing.assert_allclose(scores, np.sort(expected)[::-1][:3], rtol=1e-5)
    assert found.name == "+".join(f"r3d-18@{one.config.weights_sha256[:12]}" for one in members)


def test_bf16_gives_nearly_the_same_features():
    found = TrainedClipClassifier({"c": trained_clips()})
    expected, built = outputs_of(found.build()), found.build()
    built.reduce(torch.bfloat16)
    with torch.inference_mode():
        outputs = built(built.prepare(CLIPS).bfloat16()).numpy()
    assert outputs.dtype == np.float32
    features = slice(0, found.views.feature_dim)
    for one, other in zip(outputs[:, features], expected[:, features], strict=True):
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.999


def test_checkpoints_that_cannot_be_averaged_are_refused():
    smaller = trained_clips(options={**OPTIONS, "frames": 2})
    with pytest.raises(CheckpointError, match=r"with different clips cannot be averaged: b: frames is 2, not 4"):
        TrainedClipClassifier({"a": trained_clips(), "b": smaller})
    with pytest.raises(CheckpointError, match="b: placement is equal, not central"):
        TrainedClipClassifier(
            {"a": trained_clips(), "b": trained_clips(sampling=ClipSampling(placement="equal", views=3))}
        )
    TrainedClipClassifier({"a": trained_clips(), "b": trained_clips(sampling=ClipSampling(views=3))})
    with pytest.raises(CheckpointError, match="num_classes 5, a has 4"):
        TrainedClipClassifier({"a": trained_clips(), "b": trained_clips(classes=5)})
    with pytest.raises(CheckpointError, match="takes features, not clips"):
        TrainedClipClassifier({"a": trained()})


@pytest.fixture
def one_thread():
    """As workers have it, and for networks of many small layers the fastest."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stream_network(**changes):
    return trained_clips(STREAM, options=STREAM_OPTIONS, **changes)


def streamed(built, lengths, frames=FRAMES, dtype=torch.float32):
    """Joint logits (N, T, K) of frames that are given in parts, and the state after them."""
    state, logits = {}, []
    with torch.inference_mode():
        for part in frames.split(lengths, dim=1):
            found, state = built.stream(built.prepare(part).to(dtype), state)
            logits.append(found)
    return torch.cat(logits, dim=1), state


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_stream_networks_watch_together(task):
    members = [
        stream_network(seed=seed, task=task, temperature=temperature) for seed, temperature in ((1, 0.5), (2, 3))
    ]
    found = TrainedClipClassifier(dict(zip("ab", members, strict=True)))
    assert (found.is_stream, found.stream_members) == (True, 2)
    to_shares = torch.sigmoid if task == "multi-label" else lambda logits: torch.softmax(logits, dim=-1)
    with torch.inference_mode():
        shares = [
            to_shares(clip_model_of(one).eval().stream(FRAMES, {})[0].double() / one.config.temperature)
            for one in members
        ]
    built = found.build()
    logits, state = streamed(built, [9])
    assert logits.shape == (2, 9, 4)
    np.testing.assert_allclose(to_shares(logits.double()), torch.stack(shares).mean(dim=0), rtol=1e-4)
    initial = built.initial_state(2)
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in initial.items()}
    assert {key.partition(".")[0] for key in state} == {"0", "1"}
    for lengths in ([1] * 9, [4, 1, 4]):
        parts, last = streamed(built, lengths)
        np.testing.assert_allclose(parts, logits, atol=1e-5 * float(logits.std()))
        assert last["0.frames"].tolist() == [9, 9]
    apart, _ = streamed(built, [9], FRAMES[1:])
    np.testing.assert_allclose(apart, logits[1:], atol=1e-5 * float(logits.std()))


@pytest.mark.usefixtures("one_thread")
def test_a_stream_in_bf16_is_nearly_the_same():
    found = TrainedClipClassifier({"c": stream_network()})
    expected, _ = streamed(found.build(), [9])
    built = found.build()
    built.reduce(torch.bfloat16)
    logits, state = streamed(built, [4, 5], dtype=torch.bfloat16)
    assert logits.dtype == torch.float32
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}
    assert 0 < float((logits - expected).abs().max()) < 0.1 * float(expected.abs().max())


@pytest.mark.usefixtures("one_thread")
def test_a_state_of_other_networks_or_another_size_is_refused():
    one = TrainedClipClassifier({"a": stream_network(seed=1)}).build()
    two = TrainedClipClassifier({"a": stream_network(seed=1), "b": stream_network(seed=2)}).build()
    values = one.prepare(FRAMES)
    with pytest.raises(ValueError, match=r"the state has 1\.\S+, which belongs to none of 1 networks"):
        one.stream(values, streamed(two, [9])[1])
    _, state = streamed(one, [9])
    with pytest.raises(ValueError, match="the state lacks"):
        one.stream(values, {key: value for key, value in state.items() if not key.endswith("mean")})
    with pytest.raises(ValueError, match="a size of frames"):
        one.stream(values[..., :32], state)


def test_stream_networks_and_others_stand_side_by_side():
    form = {"frames": 12, "height": 32, "width": 40}
    found = TrainedClipClassifier(
        {
            "stream": stream_network(),
            "base": trained_clips("movinet-a0", options={**STREAM_OPTIONS, **form}),
        }
    )
    assert (found.is_stream, found.stream_members) == (False, 1)
