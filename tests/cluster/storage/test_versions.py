import logging
import time
from collections import Counter

import pytest

from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.retry import RetryPolicy
from cluster.storage.versions import SILENT_REQUESTS, versions_of
from tests.support.hostile_server import hostile_server
from tests.support.servers import gs_bucket, http_files, s3_bucket


@pytest.fixture(scope="module", params=[gs_bucket, s3_bucket], ids=["gs", "s3"])
def bucket(request):
    with request.param() as uri:
        yield uri


def test_versions_equal_those_of_the_listing(bucket, tmp_path):
    with http_files(tmp_path) as web:
        uris = []
        for number in range(20):
            uris += [f"{root}/v/{number:02d}.mp4" for root in (bucket, str(tmp_path))]
            for uri in uris[-2:]:
                files.write_bytes(uri, b"x" * number)
        versions = versions_of([*uris, f"{bucket}/v/none.mp4", str(tmp_path / "none.mp4"), "ftp://host/a", "gs://"])
        listed = {file.uri: file.version for root in (bucket, str(tmp_path)) for file in list_files(f"{root}/v")}
        assert versions == listed
        assert versions_of(uris[:2]) == {uri: listed[uri] for uri in uris[:2]}
        assert not versions_of([f"{web}/v/none.mp4"])
        page = f"{web}/v/07.mp4"
        first = versions_of([page])
        assert first[page].startswith("7@")
        files.write_bytes(uris[15], b"other")
        assert versions_of([page])[page] != first[page]


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


def test_servers_that_never_answer_do_not_hold_the_start(tmp_path, log, monkeypatch):
    monkeypatch.setattr("cluster.storage.versions.NOTICE_SECONDS", 0.5)
    (tmp_path / "v.mp4").write_bytes(b"video")
    with hostile_server() as tarpit, http_files(tmp_path) as web:
        silent = [f"{tarpit.url}/silent/{number}.mp4?sig=SECRET" for number in range(100)]
        honest = [f"{web}/v.mp4?{number}" for number in range(3)]
        started = time.monotonic()
        found = versions_of([*honest, *silent, str(tmp_path / "v.mp4")], total_seconds=2.0)
        assert time.monotonic() - started < 60  # and not 100 times what a request may take
    assert found.keys() == {*honest, str(tmp_path / "v.mp4")}
    notice, warning = [record.getMessage() for record in log.records if record.module == "versions"]
    assert notice.startswith("waiting for the versions of 100 files, for up to ")
    assert warning.startswith(f"the versions of 100 of 104 files are not known, as {tarpit.url} did not answer in time")
    assert "SECRET" not in log.text


def test_a_server_that_is_silent_is_not_asked_again(log, monkeypatch):
    monkeypatch.setattr("cluster.storage.versions.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("cluster.storage.versions.RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    monkeypatch.setattr("cluster.storage.versions.MAX_REQUESTS", 2)
    with hostile_server() as tarpit:
        assert not versions_of([f"{tarpit.url}/silent/{number}.mp4" for number in range(100)], total_seconds=60.0)
        paths = set(tarpit.requests)
    assert SILENT_REQUESTS <= len(paths) <= SILENT_REQUESTS + 2  # those in flight when it is given up
    assert "the versions of 100 of 100 files are not known" in log.text


def test_a_server_that_was_silent_is_not_asked_for_further_files(tmp_path, log, monkeypatch):
    monkeypatch.setattr("cluster.storage.versions.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("cluster.storage.versions.RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    (tmp_path / "v.mp4").write_bytes(b"video")
    silent = Counter()
    with hostile_server() as tarpit:
        assert not versions_of([f"{tarpit.url}/silent/{number}.mp4" for number in range(9)], silent=silent)
        asked = len(tarpit.requests)
        further = [f"{tarpit.url}/silent/further.mp4", str(tmp_path / "v.mp4")]
        assert versions_of(further, silent=silent).keys() == {further[1]}
        assert len(tarpit.requests) == asked
    assert len(log.records) == 1, "it is told once"


def test_missing_files_are_an_answer(tmp_path, log):
    with http_files(tmp_path) as web:
        assert versions_of([f"{web}/none.mp4", f"{web}/status/403/v.mp4", str(tmp_path / "none.mp4")]) == {}
    assert not log.records
