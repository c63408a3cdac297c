"""Videos over HTTP: retention, places, bodies, corrections, pictures."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cluster.datasets.manifest import read_videos
from cluster.serving.bodies import SMALL_BYTES
from cluster.serving.config import ServeOptions
from tests.support.full_disk import limited_files
from tests.support.job_server import wait_until
from tests.support.lips import fixed_lips, signing, write_lips
from tests.support.serving import FORM_TYPE, Client, form, served_here
from tests.support.talking import write_frames


def test_a_video_and_its_file_are_forgotten_in_time(here, video):
    client, service = here
    answer = client.upload(video, models="stream")
    assert answer.status == 202
    state = client.settled(answer.json["id"])
    assert state["status"] == "done"
    assert [result["model"] for result in state["results"]] == ["stream"]
    path = service.registry.get(state["id"]).path
    assert path.exists()
    wait_until(lambda: client.get(f"/v1/videos/{state['id']}").status == 404)
    wait_until(lambda: not path.exists())


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


LEFT = b'framemill_requests_total{method="POST",status="499"} 2.0'
CORRECTION = {"model": "stream", "start_seconds": 0.2, "end_seconds": 1.4, "label": "waving"}


@pytest.fixture(scope="module")
def kept(folder: Path) -> Iterator[Client]:
    """A service on this machine without a token, which keeps corrections, and videos for longer."""
    options = ServeOptions.of(
        checkpoint=(str(folder / "stream"),), corrections=str(folder / "kept"), corrections_mib=1, idle_time=0.5
    )
    with served_here(options, folder / "more") as (url, _):
        yield Client(url)


def done(client: Client, content: bytes) -> str:
    """The id of a video that is done."""
    state = client.settled(client.upload(content, "holiday.mp4").json["id"])
    assert (state["status"], state["place"], state["corrections"]) == ("done", None, [])
    return str(state["id"])


def test_corrections_are_told_and_go_with_their_video(here, video, tmp_path):
    client, service = here
    own = f"/v1/videos/{done(client, video)}"
    assert client.get(f"{own}/corrections.csv").code == "not_ready"
    expected = {"model": "stream", "start_seconds": 0, "end_seconds": 2, "label": "waving"}
    answer = client.send_json(f"{own}/corrections", CORRECTION)
    assert (answer.status, answer.json) == (201, expected)
    assert client.get(own).json["corrections"] == [expected]
    (tmp_path / "corrections.csv").write_bytes(client.get(f"{own}/corrections.csv").body)
    (row,) = read_videos(str(tmp_path / "corrections.csv"))
    assert (row.uri, row.labels) == (str(tmp_path / "holiday.mp4"), ("waving",))
    assert client.get("/v1/corrections.csv").code == "not_found"
    assert client.ask("DELETE", own).status == 204
    assert client.get(f"{own}/corrections.csv").code == "not_found"
    assert b"waving" not in b"".join(path.read_bytes() for path in service.registry._spool.folder.iterdir())


def test_corrections_that_are_none_are_refused(kept, video):
    path = f"/v1/videos/{done(kept, video)}/corrections"
    for wrong in ({"label": "7"}, {"end_seconds": 0.1}, {"end_seconds": 30.0}, {"start_seconds": 20.0}, {"model": "x"}):
        assert kept.send_json(path, {**CORRECTION, **wrong}).code == "invalid", wrong
    assert kept.send_json(path, {**CORRECTION, "label": "x" * SMALL_BYTES}).code == "too_large"
    assert kept.ask("POST", path, b"{", content_type="application/json").code == "invalid"
    assert kept.send_json(path, CORRECTION).status == 201


def test_a_video_that_goes_while_it_is_corrected_is_not_found(here, video):
    client, service = here
    own = done(client, video)
    service.registry.get(own).path.unlink()
    assert client.send_json(f"/v1/videos/{own}/corrections", CORRECTION).code == "not_found"


def test_corrected_videos_find_only_so_much_room(kept, video, folder):
    large = video + bytes(1 << 20)
    own = f"/v1/videos/{done(kept, large)}"
    answer = kept.send_json(f"{own}/corrections", CORRECTION)
    assert (answer.status, answer.code) == (507, "full")
    assert kept.get(own).json["corrections"] == []
    assert list((folder / "kept").rglob("*.part")) == []


def test_a_disk_that_is_full_takes_no_corrected_video(kept, video, folder):
    own = f"/v1/videos/{done(kept, video + bytes(1 << 16))}"
    with limited_files(1 << 16):
        answer = kept.send_json(f"{own}/corrections", CORRECTION)
    assert (answer.status, answer.code) == (507, "full")
    assert kept.get(own).json["corrections"] == []
    assert list((folder / "kept").rglob("*.part")) == []


def test_a_body_that_does_not_come_is_given_up_on_every_route(kept):
    host, _, port = kept.url.rpartition("/")[2].partition(":")
    for path in ("/v1/videos/x/corrections", "/v1/videos"):
        with socket.create_connection((host, int(port))) as slow:
            slow.settimeout(30)
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
            )
            slow.sendall(head.encode() + b"{")
            assert slow.recv(4096)[:12] in (b"HTTP/1.1 408", b"HTTP/1.1 422")  # the latter takes no addresses


def test_another_host_is_refused_without_a_token(kept):
    assert kept.get("/v1/models").status == 200
    assert kept.get("/v1/models", host="evil.example").code == "forbidden"
    assert kept.get("/v1/models", origin="http://[").code == "forbidden"


def test_a_client_that_leaves_is_no_error_of_this_program(kept, video):
    heard: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = heard.append  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("framemill", "uvicorn.error")]
    host, _, port = kept.url.rpartition("/")[2].partition(":")
    parts = (
        ("/v1/videos", FORM_TYPE, form(video)[:500]),
        ("/v1/videos/x/corrections", "application/json", b"{"),
    )
    for logger in loggers:
        logger.addHandler(handler)
    try:
        for path, kind, part in parts:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as leaving:
                head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: 5000\r\n\r\n"
                leaving.sendall(head.encode() + part)
        deadline = time.monotonic() + 20
        while LEFT not in kept.get("/metrics").body and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert [record.getMessage() for record in heard if record.levelno >= logging.ERROR] == []
    assert LEFT in kept.get("/metrics").body


def test_a_picture_of_a_time(kept, video):
    own = f"/v1/videos/{done(kept, video)}"
    first, second = kept.get(f"{own}/frame.jpg"), kept.get(f"{own}/frame.jpg?seconds=1.5")
    assert first.headers["content-type"] == "image/jpeg"
    assert first.body.startswith(b"\xff\xd8\xff")
    assert second.body != first.body
    assert kept.get(f"{own}/frame.jpg?seconds=1e6").body == kept.get(f"{own}/frame.jpg?seconds=1e9").body
    for wrong in ("nan", "-1", "inf", "x"):
        assert kept.get(f"{own}/frame.jpg?seconds={wrong}").code == "invalid"
    assert kept.get("/v1/videos/none/frame.jpg").code == "not_found"


@pytest.fixture(scope="module")
def reading(folder: Path) -> Iterator[Client]:
    """A service with a lip reader beside a classifier."""
    reader = write_lips(folder / "reader", fixed_lips(seed=1))
    options = ServeOptions.of(checkpoint=(str(folder / "stream"), reader))
    with served_here(options, folder / "reading") as (url, _):
        yield Client(url)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_frames(tmp_path_factory.mktemp("speech") / "v.mp4", signing("ab")).read_bytes()


def test_a_transcript_is_told_and_comes_as_subtitles(reading, speech):
    state = reading.settled(reading.upload(speech).json["id"])
    assert (state["status"], state["failures"], [one["model"] for one in state["results"]]) == ("done", [], ["stream"])
    (transcript,) = state["transcripts"]
    assert (transcript["model"], transcript["coverage"]) == ("reader", 1.0)
    assert transcript["text"] == " ".join(word["word"] for word in transcript["words"]) != ""
    own = f"/v1/videos/{state['id']}"
    for name, kind in (("subtitles.vtt", "text/vtt"), ("subtitles.srt", "application/x-subrip")):
        answer = reading.get(f"{own}/{name}")
        assert (answer.status, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert transcript["text"] in answer.body.decode()
    assert reading.get(f"{own}/results.parquet").body != reading.get(f"{own}/results.parquet?model=reader").body


def test_what_a_model_does_not_give_is_told(reading, speech):
    own = f"/v1/videos/{reading.settled(reading.upload(speech).json['id'])['id']}"
    for name, model in (("events.vtt", "reader"), ("events.csv", "reader"), ("subtitles.srt", "stream")):
        answer = reading.get(f"{own}/{name}?model={model}")
        assert (answer.status, answer.code) == (404, "not_found")
        assert f"{model} gave no {name} of this video, but results.parquet" in answer.json["error"]["message"]
    assert reading.get(f"{own}/subtitles.vtt?model=nobody").code == "invalid"
    answer = reading.send_json(f"{own}/corrections", {**CORRECTION, "model": "reader"})
    assert (answer.status, answer.code) == (422, "invalid")
    assert "reader reads lips: corrections are of the labels of classifiers" in answer.json["error"]["message"]


def test_a_video_without_a_mouth_has_its_labels_all_the_same(reading, video):
    state = reading.settled(reading.upload(video).json["id"])
    assert (state["status"], len(state["results"]), state["transcripts"]) == ("done", 1, [])
    (failure,) = state["failures"]
    assert (failure["model"], failure["code"]) == ("reader", "no_face")
    assert "--" not in failure["message"]
    assert reading.get(f"/v1/videos/{state['id']}/subtitles.vtt").code == "not_found"
    alone = reading.settled(reading.upload(video, models="reader").json["id"])
    assert (alone["status"], alone["error"]["code"]) == ("failed", "no_face")


def test_a_lip_reader_is_described_and_watches_no_camera(reading):
    (reader,) = (one for one in reading.get("/v1/models").json if one["name"] == "reader")
    assert (reader["kind"], reader["classes"], reader["step_hz"], reader["live"]) == ("lips", [], 25.0, False)
    with connect(f"{reading.url.replace('http', 'ws')}/v1/live?model=reader") as camera:
        with pytest.raises(ConnectionClosed):
            camera.recv(30)
        assert camera.close_reason == "not_live"
