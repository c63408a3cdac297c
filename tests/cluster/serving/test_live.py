"""Cameras over real WebSockets, in one process: what is answered, what is dropped, and who is turned away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.live.network import LiveNetwork
from cluster.serving.config import ServeOptions
from extractors.clips.crops import crop_corners, resized
from extractors.video.jpeg import decode_jpegs, encode_jpegs
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_stream
from tests.support.serving import served_here
from tests.support.videos import picture

TOKEN = "a-token-of-many-characters"
JPEGS = encode_jpegs(np.stack([picture(5 * number, 96, 48) for number in range(4)]))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("live")
    write_trained(folder / "stream", trained_stream())
    options = ServeOptions.of(checkpoint=(str(folder / "stream"),), live_sessions=1, idle_time=4.0)
    with served_here(options, folder / "uploads", TOKEN) as (url, _):
        yield url.replace("http", "ws") + "/v1/live"


def camera(address: str, token: str = TOKEN, **options: Any) -> Any:
    return connect(address, subprotocols=["framemill", f"bearer.{token}"], **options)  # type: ignore[arg-type]


def expected() -> list[list[float]]:
    """What the network says of the same frames, one after the other."""
    trained = TrainedClipClassifier({"stream": trained_stream()})
    network, form = LiveNetwork(trained, "auto", 1), trained.clips.format
    found = []
    for jpeg in JPEGS:
        image = resized(decode_jpegs([jpeg])[0], form.resize)
        ((top, left),) = crop_corners(image, form.height, form.width)
        _, scores = network([np.ascontiguousarray(image[top : top + form.height, left : left + form.width])], 3)
        found.append(scores.tolist())
    return found


def test_each_frame_is_seen_with_the_memory_of_those_before(address):
    scores = expected()
    with camera(address) as socket:
        assert socket.subprotocol == "framemill"
        answers = []
        for jpeg in JPEGS:
            socket.send(jpeg)
            answers.append(json.loads(socket.recv(60)))
        assert [[each["score"] for each in answer["top"]] for answer in answers] == scores
        assert answers[0]["seconds"] == 0
        assert [answer["dropped"] for answer in answers] == [0] * 4
        socket.send(b"\xff\xd8\xff no picture")
        assert json.loads(socket.recv(60))["error"]["code"] == "not_media"
        for jpeg in JPEGS * 5:
            socket.send(jpeg)
        while (answer := json.loads(socket.recv(60)))["dropped"] == 0:
            pass
        assert answer["dropped"] > 0


def test_strangers_and_too_many_are_turned_away(address):
    for token in ("", "another-token-of-some-length"):
        with camera(address, token) as socket, pytest.raises(ConnectionClosed) as caught:
            socket.recv(20)
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "unauthorized")  # as a page can tell
    with pytest.raises(InvalidStatus):
        camera(address, origin="http://evil.example").close()
    with camera(f"{address}?model=nobody") as socket, pytest.raises(ConnectionClosed):
        socket.recv(20)
    with camera(address) as first:
        first.send(JPEGS[0])
        first.recv(60)
        with camera(address) as second, pytest.raises(ConnectionClosed):
            second.recv(20)


def test_a_silent_camera_is_let_go(address):
    time.sleep(0.5)
    with camera(address) as socket:
        started = time.monotonic()
        with pytest.raises(ConnectionClosed):
            socket.recv(30)
        assert time.monotonic() - started < 20
