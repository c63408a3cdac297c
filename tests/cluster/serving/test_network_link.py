"""The link between two processes' ends, here in one: chunks through a real socket, and what hostile ends may send."""

from __future__ import annotations

import json
from contextlib import suppress
from multiprocessing.connection import Client

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.engines.wire import LENGTH
from cluster.scoring.clip_network import ClipNetwork
from cluster.serving.network_link import NetworkLink
from extractors.embedder_config import FrameEmbedderConfig
from extractors.embedders import FrameEmbedder
from extractors.networks.image_input import PreparedFrame
from extractors.weights.resolve import resolve_weights
from tests.support.clips import trained_clips


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    trained = TrainedClipClassifier({"c": trained_clips(fps="5")})
    networks = {
        "c/network": ClipNetwork(trained, "fp32"),
        "f/frames": FrameEmbedder(FrameEmbedderConfig(resolve_weights("random:0", "frames"), None, "fp32")),
    }
    seen: list[tuple[str, int]] = []

    def run(name: str, chunk: list) -> np.ndarray:
        """Means of the rows, in place of a network."""
        seen.append((name, len(chunk)))
        pixels = [row[0] if isinstance(row, tuple) else row for row in chunk]
        return np.array([[row.mean(), row.max()] for row in pixels], np.float32)

    link = NetworkLink(str(tmp_path_factory.mktemp("link") / "s"), networks, run)
    yield link, seen
    link.close()


def test_rows_come_back_in_their_order(link):
    proxies = link[0].proxies({"c/network": "", "f/frames": "2015"})
    clips = [torch.full((2, 4, 4, 3), value, dtype=torch.uint8) for value in range(9)]
    vectors = proxies["c/network"].embed_prepared(iter(clips))
    assert vectors.tolist() == [[value, value] for value in range(9)]
    frames = [PreparedFrame(torch.full((3, 3, 3), value, dtype=torch.uint8), 3, 3) for value in range(70)]
    assert proxies["f/frames"].embed_prepared(frames)[:, 1].tolist() == list(range(70))
    assert [count for name, count in link[1] if name == "f/frames"] == [32, 32, 6]
    assert proxies["c/network"].embed_prepared([]).shape == (0, proxies["c/network"].dim)
    assert proxies["f/frames"].variant == "2015"


@pytest.mark.parametrize(
    "message",
    [b"", b"no message", LENGTH.pack(1 << 60), LENGTH.pack(2) + b"[]" * 9, LENGTH.pack(4) + json.dumps([[1]]).encode()],
)
def test_what_is_no_chunk_ends_the_call_alone(link, message):
    count = len(link[1])
    for name in (b"c/network", b"unknown"):
        with Client(link[0]._path, "AF_UNIX") as connection:
            connection.send_bytes(name)
            with suppress(BrokenPipeError):  # a call of an unknown network may have ended by now
                connection.send_bytes(message)
            if message != LENGTH.pack(2) + b"[]" * 9:
                with pytest.raises((EOFError, OSError)):
                    connection.recv_bytes()
    proxies = link[0].proxies({"c/network": "", "f/frames": ""})
    assert len(proxies["c/network"].embed_prepared([torch.zeros(1, 1, 1, 3, dtype=torch.uint8)])) == 1
    assert len(link[1]) >= count + 1
