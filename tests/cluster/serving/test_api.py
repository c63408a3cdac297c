"""The routes over HTTP, in one process, with the stages of a stream network: places, tokens, retention."""

from __future__ import annotations

import time
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


def test_a_video_and_its_file_are_forgotten_in_time(here, video):
    client, service = here
    answer = client.upload(video, models="stream")
    assert answer.status == 202
    state = client.settled(answer.json["id"])
    assert state["status"] == "done"
    assert [result["model"] for result in state["results"]] == ["stream"]
    path = service.registry.get(state["id"]).path
    assert path.exists()
    time.sleep(6.0)
    assert client.get(f"/v1/videos/{state['id']}").status == 404
    assert not path.exists()


def test_more_than_there_is_room_for_is_told_to_come_later(here, video):
    client, _ = here
    taken = [client.upload(video) for _ in range(6)]
    refused = [answer for answer in taken if answer.status == 429]
    accepted = [answer.json["id"] for answer in taken if answer.status == 202]
    assert len(accepted) >= 2
    if refused:  # a quick machine finishes them as they come
        assert refused[0].code == "busy"
        assert int(refused[0].headers["retry-after"]) >= 1
    assert all(client.settled(each)["status"] == "done" for each in accepted)


def test_nothing_is_told_without_the_token(here, video):
    client, _ = here
    for stranger in (Client(client.url), Client(client.url, "another-token-of-some-length")):
        assert stranger.get("/v1/models").status == 401
        assert stranger.upload(video).status == 401
        assert stranger.get("/").status == 200
        assert stranger.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b'{"uri": "https://host/v.mp4", "more": 1}', "application/json", 422),
        (b"[" * 60_000, "application/json", 422),
        (b'{"uri": "' + b"x" * 70_000, "application/json", 422),
        (b"file=1", "application/x-www-form-urlencoded", 422),
        (b"", "", 422),
    ],
)
def test_bodies_that_are_none_are_refused(here, body, kind, status):
    client, _ = here
    answer = client.ask("POST", "/v1/videos", body, content_type=kind)
    assert (answer.status, answer.code) in ((status, "invalid"), (status, "uri_refused"))


def test_a_browser_gets_a_cookie_for_the_token(here):
    client, _ = here
    answer = client.ask("POST", "/v1/session")
    assert answer.status == 204
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    stranger = Client(client.url)
    assert stranger.get("/v1/service", cookie=cookie.split(";")[0]).json == {
        "max_upload_bytes": 2 << 30,
        "max_duration_seconds": 3600.0,
        "retention_seconds": 4.0,
        "uris": False,
        "uri_schemes": [],
        "corrections_kept": False,
    }
    assert stranger.get("/v1/service").status == 401


def test_unknown_models_and_paths_are_errors_of_one_form(here, video):
    client, _ = here
    assert client.upload(video, models="nobody").code == "invalid"
    assert client.get("/v1/videos/../../etc/passwd").code == "not_found"
    assert client.get("/v1/nothing").code == "not_found"
    assert client.ask("PUT", "/v1/models").code == "not_allowed"
    assert client.get("/v1/models/stream/report").code == "not_found"
    assert client.send_json("/v1/videos", {"uri": "https://example.org/v.mp4"}).code == "uri_refused"
