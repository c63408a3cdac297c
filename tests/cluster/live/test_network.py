from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from classifiers.clip_models.streaming import StreamModel
from classifiers.export.exported_classifier import ExportedClipClassifier
from classifiers.export.exported_file import read_exported
from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.weights.checkpoint import Checkpoint
from cluster.live.network import LiveNetwork
from extractors.networks.precision import resolve_device, resolve_precision
from tests.support.clips import trained_clips
from tests.support.exports import exported

STREAM, STREAM_OPTIONS = "movinet-a0-stream", {"frames": 4, "height": 32, "width": 32, "width_factor": 0.25}
CLIP = np.random.default_rng(6).integers(0, 256, (4, 28, 28, 3), np.uint8)
FRAMES = list(np.random.default_rng(5).integers(0, 256, (6, 32, 32, 3), np.uint8))


def classifier(*checkpoints: Checkpoint) -> TrainedClipClassifier:
    return TrainedClipClassifier({f"c{number}": checkpoint for number, checkpoint in enumerate(checkpoints)})


def scores(network: LiveNetwork, frames: list[np.ndarray]) -> np.ndarray:
    """The probabilities of all classes, in their order."""
    places, found = network(frames, 4)
    return found[np.argsort(places)]


@pytest.fixture(scope="module")
def streams() -> list[Checkpoint]:
    return [
        trained_clips(STREAM, options=STREAM_OPTIONS, seed=seed, temperature=temperature)
        for seed, temperature in ((1, 1.0), (2, 2.0))
    ]


@pytest.fixture(autouse=True)
def threads():
    """A network takes its number of threads for the process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_stream_networks_see_frame_after_frame_as_they_would_see_the_whole(streams: list[Checkpoint]) -> None:
    trained = classifier(*streams)
    network = LiveNetwork(trained, "fp32", 1)
    assert (network.is_stream, network.frames) == (True, 1)
    shown = [scores(network, [frame]) for frame in FRAMES]
    expected = []
    for model, temperature in zip(trained.build().models, (1.0, 2.0), strict=True):
        assert isinstance(model, StreamModel)
        with torch.inference_mode():
            logits, _ = model.stream(torch.from_numpy(np.stack(FRAMES))[None], {})
        expected.append((logits[0] / temperature).softmax(1))
    np.testing.assert_allclose(np.stack(shown), torch.stack(expected).mean(0), atol=1e-5)
    assert np.abs(shown[0] - shown[-1]).max() > 1e-3


def test_a_network_with_a_memory_forgets(streams: list[Checkpoint]) -> None:
    trained = classifier(streams[0])
    model = trained.build().models[0]
    assert isinstance(model, StreamModel)
    network = LiveNetwork(trained, "fp32", 1, memory_frames=2)
    shown = [scores(network, [frame]) for frame in FRAMES]
    with torch.inference_mode():
        logits, _ = model.stream(torch.from_numpy(np.stack(FRAMES))[None], {}, memory_frames=2)
    np.testing.assert_allclose(np.stack(shown), logits[0].softmax(1), atol=1e-5)


def test_a_network_that_starts_anew_has_forgotten_everything(streams: list[Checkpoint]) -> None:
    network = LiveNetwork(classifier(streams[0]), "fp32", 1)
    first = [scores(network, [frame]) for frame in FRAMES[:3]]
    network.restart()
    for before, frame in zip(first, FRAMES, strict=False):
        np.testing.assert_array_equal(scores(network, [frame]), before)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_networks_that_look_at_clips(task: str) -> None:
    trained = classifier(trained_clips(task=task, temperature=1.5))
    network = LiveNetwork(trained, "fp32", 1)
    clip = torch.randint(0, 256, (4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    assert (network.is_stream, network.frames) == (False, 4)
    with torch.inference_mode():
        outputs = trained.build()(trained.build().prepare(clip[None])).numpy()
    places, expected = trained.views.top_classes(outputs, 3)
    found_places, found = network(list(clip.numpy()), 3)
    np.testing.assert_array_equal(found_places, places)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_precision_that_is_fastest_is_taken(streams: list[Checkpoint]) -> None:
    if not torch.cuda.is_available():
        assert LiveNetwork(classifier(streams[0]), "auto", 1).precision == "fp32"
        expected = resolve_precision("auto", resolve_device("cpu"))
        assert LiveNetwork(classifier(trained_clips()), "auto", 1).precision == expected


def test_precisions_agree(streams: list[Checkpoint]) -> None:
    trained = classifier(streams[0])
    networks = [LiveNetwork(trained, precision, 1) for precision in ("fp32", "bf16")]
    for frame in FRAMES:
        exact, rounded = (scores(network, [frame]) for network in networks)
        np.testing.assert_allclose(rounded, exact, atol=0.02)


def test_a_precision_that_cpus_lack_is_refused() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="fp16"):
            LiveNetwork(classifier(trained_clips()), "fp16", 1)


@pytest.mark.parametrize("kind", ["clips", "stream"])
def test_an_exported_file_shows_what_its_checkpoint_shows(kind: str, streams: list[Checkpoint]) -> None:
    checkpoint = trained_clips() if kind == "clips" else streams[0]
    file = read_exported(exported(checkpoint)[1])
    network, expected = (
        LiveNetwork(one, "fp32", 1) for one in (ExportedClipClassifier({"c": file}), classifier(checkpoint))
    )
    assert (network.is_stream, network.frames, network.precision) == (kind == "stream", expected.frames, "fp32")
    looks = [list(CLIP)] if kind == "clips" else [[frame] for frame in FRAMES]
    for look in looks:
        np.testing.assert_allclose(scores(network, look), scores(expected, look), atol=1e-4)


def test_scores_that_are_no_numbers_are_an_error() -> None:
    checkpoint = trained_clips()
    state = {name: value * float("inf") if name == "head.weight" else value for name, value in checkpoint.state.items()}
    with pytest.raises(FloatingPointError, match="--precision"):
        LiveNetwork(classifier(dataclasses.replace(checkpoint, state=state)), "fp32", 1)
