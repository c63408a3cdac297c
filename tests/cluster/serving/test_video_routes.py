"""Videos over HTTP: retention, places, bodies."""

from __future__ import annotations

import time

import pytest


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
