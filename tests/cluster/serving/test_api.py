"""The routes over HTTP, in one process: the token, the page, errors of one form."""

from __future__ import annotations

from tests.support.serving import Client


def test_nothing_is_told_without_the_token(here, video):
    client, _ = here
    for stranger in (Client(client.url), Client(client.url, "another-token-of-some-length")):
        assert stranger.get("/v1/models").status == 401
        assert stranger.upload(video).status == 401
        assert stranger.get("/").status == 200
        assert stranger.get("/healthz").status == 200


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


def test_the_cookie_of_a_page_that_came_by_https_is_sent_by_https_alone(here):
    client, _ = here
    host = client.url.removeprefix("http://")
    for origin, is_secure in ((f"https://{host}", True), (f"http://{host}", False)):
        answer = client.ask("POST", "/v1/session", origin=origin)
        assert answer.status == 204
        assert ("Secure" in answer.headers["set-cookie"].split("; ")) is is_secure


def test_unknown_models_and_paths_are_errors_of_one_form(here, video):
    client, _ = here
    assert client.upload(video, models="nobody").code == "invalid"
    assert client.get("/v1/videos/../../etc/passwd").code == "not_found"
    assert client.get("/v1/nothing").code == "not_found"
    assert client.ask("PUT", "/v1/models").code == "not_allowed"
    assert client.get("/v1/models/stream/report").code == "not_found"
    assert client.send_json("/v1/videos", {"uri": "https://example.org/v.mp4"}).code == "uri_refused"
