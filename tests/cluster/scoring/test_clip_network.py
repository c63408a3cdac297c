from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from classifiers.clip_models.registry import clip_model_entry, clip_model_names
from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.config import PRECISIONS
from extractors.networks.precision import resolve_device, resolve_precision
from schemas.clips import ClipFormat
from tests.classifiers.clip_models.test_registry import OTHERS
from tests.support.clips import trained_clips

CLIPS = torch.randint(0, 256, (5, 4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
CLASSES = 4
FULL_WIDTH = {"frames": 16, "height": 32, "width": 32}  # clips as small as all models take


def offered_precisions() -> list[str]:
    """Those that this machine has."""
    found = []
    for name in PRECISIONS:
        try:
            found.append(resolve_precision(name, resolve_device("auto")))
        except ValueError:
            continue
    return sorted(set(found))


def noise(form: ClipFormat) -> torch.Tensor:
    """Two clips."""
    shape = (2, form.frames, form.height, form.width, form.channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(4))


@pytest.fixture(autouse=True)
def threads():
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_what_a_clip_gives_depends_neither_on_its_batch_nor_on_the_process(precision):
    network = ClipNetwork(TrainedClipClassifier({"c": trained_clips()}), precision)
    network.setup()
    together = network.embed_prepared(iter(CLIPS))
    assert together.shape == (5, network.dim)
    assert together.dtype == np.float32
    alone = np.concatenate([network.embed_prepared([clip]) for clip in CLIPS])
    np.testing.assert_array_equal(together, alone)
    elsewhere = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(elsewhere.embed_prepared(CLIPS[1:3]), together[1:3])
    assert network.embed_prepared([]).shape == (0, network.dim)


def test_a_proxy_gives_the_same_results_without_the_weights():
    network = ClipNetwork(TrainedClipClassifier({"c": trained_clips()}), "fp32")
    proxy = network.proxy(len, "")
    assert len(pickle.dumps(proxy)) < 1000 < len(pickle.dumps(network))
    proxy = network.proxy(lambda rows: network.embed_prepared(network.unpack(network.pack(list(rows)))), "")
    proxy.setup()
    assert proxy.dim == network.dim
    np.testing.assert_array_equal(proxy.embed_prepared(CLIPS), network.embed_prepared(CLIPS))


def test_fp32_is_what_the_model_says():
    checkpoint = trained_clips()
    embedded = ClipNetwork(TrainedClipClassifier({"c": checkpoint}), "fp32").embed_prepared(CLIPS)
    with torch.inference_mode():
        expected = clip_model_of(checkpoint).eval()(CLIPS).numpy()
    np.testing.assert_allclose(embedded[:, -4:], expected, rtol=1e-4, atol=1e-4)


def test_it_travels_without_what_setup_builds():
    network = ClipNetwork(TrainedClipClassifier({"c": trained_clips()}), "fp32")
    before = len(pickle.dumps(network))
    network.setup()
    assert len(pickle.dumps(network)) == before
    assert network.files() == []


def options_of(name, **options):
    """Options of a small model."""
    return {**FULL_WIDTH, **options, **OTHERS.get(name, {})}


# One narrow model of each family, and every model at full width.
FAMILIES = {clip_model_entry(name).model: name for name in reversed(clip_model_names())}
MODELS = [
    *(pytest.param(name, options_of(name, width_factor=0.125), id=f"{name}-narrow") for name in FAMILIES.values()),
    *(pytest.param(name, options_of(name), marks=pytest.mark.heavy, id=name) for name in clip_model_names()),
]


@pytest.mark.parametrize(("name", "options"), MODELS)
def test_every_model_runs_in_every_precision_alone_and_in_an_ensemble(name, options):
    members = {str(seed): trained_clips(name, classes=CLASSES, seed=seed, options=options) for seed in (1, 2)}
    trained = {subject: TrainedClipClassifier({subject: member}) for subject, member in members.items()}
    both = TrainedClipClassifier(members)
    clips = noise(both.clips.format)
    exact = ClipNetwork(trained["1"], "fp32").embed_prepared(clips)
    for precision in offered_precisions():
        alone = [ClipNetwork(one, precision).embed_prepared(clips) for one in trained.values()]
        features = alone[0][:, :-CLASSES]
        assert np.isfinite(alone).all()
        for found, expected in zip(features, exact[:, :-CLASSES], strict=True):
            assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) > 0.95, precision
        shares = [torch.from_numpy(outputs[:, -CLASSES:]).softmax(1) for outputs in alone]
        together = ClipNetwork(both, precision).embed_prepared(clips)
        np.testing.assert_array_equal(together[:, :-CLASSES], features)
        joint = torch.from_numpy(together[:, -CLASSES:]).softmax(1)
        torch.testing.assert_close(joint, torch.stack(shares).mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.cuda
def test_a_gpu_gives_what_the_cpu_gives():
    checkpoint = trained_clips()
    network = ClipNetwork(TrainedClipClassifier({"c": checkpoint}), "fp32")
    assert network._ready_runner().buffer.is_cuda
    model = clip_model_of(checkpoint).eval()
    with torch.inference_mode():
        expected = model(CLIPS).numpy()
    np.testing.assert_allclose(network.embed_prepared(iter(CLIPS)), expected, atol=1e-4 * float(expected.std()))
