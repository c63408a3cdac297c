from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from classifiers.inference.lip_reader import LipReader, log_probabilities
from cluster.transcription.lip_network import LipNetwork
from tests.support.lips import trained_lips

WINDOW = 6


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reader() -> LipReader:
    return LipReader(trained_lips())


def crops(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).integers(0, 256, (frames, 24, 48, 3), np.uint8)


def test_rows_are_the_log_probabilities_of_each_frame(reader: LipReader) -> None:
    network = pickle.loads(pickle.dumps(LipNetwork(reader, WINDOW)))
    network.setup()
    clips = [crops(WINDOW), crops(3)]
    results = network.embed_prepared(iter(clips))
    assert (results.shape, results.dtype) == ((2, network.dim), np.float32)
    for row, clip in zip(results.reshape(2, WINDOW, network.num_classes), clips, strict=True):
        (expected,) = log_probabilities(reader.build(), [clip], reader.look)
        np.testing.assert_array_equal(row[: len(clip)], expected)
        assert not row[len(clip) :].any()
    assert network.embed_prepared([]).shape == (0, network.dim)


def test_a_proxy_asks_the_network_elsewhere_and_has_no_weights(reader: LipReader) -> None:
    network = LipNetwork(reader, WINDOW)
    asked = []

    def embed(rows: object) -> np.ndarray:
        asked.append(network.unpack(network.pack(list(rows))))  # type: ignore[call-overload]
        return np.zeros((1, network.dim), np.float32)

    proxy = network.proxy(embed, "gpu")
    proxy.setup()
    assert proxy.embed_prepared([crops(2)]).shape == (1, network.dim)
    assert (proxy.variant, len(asked[0]), proxy._reader) == ("gpu", 1, None)
