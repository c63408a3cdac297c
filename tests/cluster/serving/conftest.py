"""A service over HTTP in this process, with the stages of a stream network, for the tests of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.serving.config import ServeOptions
from cluster.serving.service import Service
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_stream, write_clip_videos
from tests.support.serving import Client, served_here

TOKEN = "a-token-of-many-characters"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_trained(folder / "stream", trained_stream())
    write_clip_videos(folder / "videos", 1, frames=50)
    return folder


@pytest.fixture(scope="module")
def here(folder: Path) -> Iterator[tuple[Client, Service]]:
    options = ServeOptions.of(checkpoint=(str(folder / "stream"),), queue=2, client_queue=2, retention=4.0)
    with served_here(options, folder / "uploads", TOKEN) as (url, service):
        yield Client(url, TOKEN), service
    assert list((folder / "uploads").iterdir()) == []


@pytest.fixture(scope="module")
def video(folder: Path) -> bytes:
    return (folder / "videos" / "v00000.mp4").read_bytes()
