from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from cluster.scoring.clip_network import ClipNetwork
from tests.support.clips import trained_clips

CLIPS = torch.randint(0, 256, (5, 4, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


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
