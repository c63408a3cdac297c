"""The service over real HTTP: results that equal the jobs', states, limits, and what hostile clients get."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cluster.datasets.manifest import read_videos
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.early_start import run_extraction
from cluster.scoring.config import ScoringOptions
from cluster.scoring.job import score_videos
from cluster.storage.read_policy import ReadPolicy
from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.job import transcribe
from schemas.fingerprint import fingerprint_of
from schemas.labels import LABEL_SCHEMA
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips, trained_stream, write_clip_videos
from tests.support.dataset import ROOT, job_environment
from tests.support.lips import fixed_lips, signing, write_lips
from tests.support.mutations import claiming, damaged, mutations, serve_mutations
from tests.support.serving import FORM_TYPE, Client, Server, form, serving
from tests.support.talking import write_frames
from tests.support.transcripts import transcripts
from tests.support.videos import picture

EVENTS = {"event_threshold": 0.25, "event_gap_seconds": 1.0}
FLAGS = [str(part) for name, value in EVENTS.items() for part in (f"--{name.replace('_', '-')}", value)]
RANDOM = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
NAMES = ("stream", "actions", "means", "frames")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, their features, and a checkpoint of each kind."""
    folder = tmp_path_factory.mktemp("data")
    write_clip_videos(folder / "videos", 2, frames=90)
    # In a block with other videos, products of matrices differ in their last bits: the job has this one alone.
    (folder / "one").mkdir()
    shutil.copy(folder / "videos" / "v00001.mp4", folder / "one")
    options = ExtractionOptions.of(
        input=str(folder / "one"), output=str(folder / "features"), engine="local", frame_features=True, quiet=True,
        **RANDOM,
    )  # fmt: skip
    assert run_extraction(options) == 0
    (shard,) = (folder / "features" / "features").glob("*.parquet")
    fingerprint = fingerprint_of(pq.read_schema(shard).metadata)
    for name, checkpoint in (
        ("stream", trained_stream()),
        ("actions", trained_clips(fps="5")),
        ("means", trained("dense-5", rgb_dim=1024, fingerprint=fingerprint)),
        ("frames", trained("dbof", rgb_dim=1024, fingerprint=fingerprint)),
    ):
        write_trained(folder / name, checkpoint)
    write_lips(folder / "reader", fixed_lips(seed=1))
    write_frames(folder / "speech" / "ab.mp4", signing("ab" * 20))
    return folder


@pytest.fixture(scope="module")
def server(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One service for all tests, with small limits."""
    folder = tmp_path_factory.mktemp("service")
    checkpoints = [data / name for name in (*NAMES, "reader")]
    limits = ["--max-upload-mib", 8, "--max-duration", 60, "--idle-time", 3, "--client-rate", 100000, "--beam", 3]
    with serving(
        folder, "--checkpoint", *checkpoints, *FLAGS, *limits, "--allow-uris", "--corrections", folder / "kept"
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url)


@pytest.fixture(scope="module")
def done(server: Server, data: Path) -> dict[str, Any]:
    """A video that all models have labelled."""
    client = Client(server.url)
    answer = client.upload((data / "videos" / "v00001.mp4").read_bytes(), "../../holiday.mp4")
    assert answer.status == 202, answer.body
    assert answer.headers["location"] == f"/v1/videos/{answer.json['id']}"
    return client.settled(answer.json["id"])


def job_row(data: Path, name: str, labels: Path) -> dict[str, Any]:
    """What the job says of the same video."""
    of_features = name in ("means", "frames")
    source = {"features": (str(data / "features"),)} if of_features else {"videos": str(data / "videos")}
    stride = {"stride": 1.0} if name == "actions" else {}
    options = ScoringOptions.of(
        checkpoint=(str(data / name),), labels=str(labels), engine="local", timeline=True, quiet=True,
        **source, **stride, **EVENTS,
    )  # fmt: skip
    assert score_videos(options.settings()).counts.scored == (1 if of_features else 2)
    (shard,) = labels.glob("date=*/*.parquet")
    return next(row for row in pq.read_table(shard).to_pylist() if row["id"] == "v00001")


@pytest.mark.parametrize("name", NAMES)
def test_results_equal_those_of_the_job(client: Client, done: dict[str, Any], data: Path, tmp_path: Path, name: str):
    assert (done["status"], done["error"], done["progress"]) == ("done", None, 1.0), done
    expected = job_row(data, name, tmp_path / "labels")
    shard = client.get(f"/v1/videos/{done['id']}/results.parquet?model={name}").body
    (row,) = pq.read_table(io.BytesIO(shard)).to_pylist()
    for column in ("labels", "timeline", "events", "model"):
        assert row[column] == expected[column], column
    shown = next(each for each in done["results"] if each["model"] == name)
    assert shown["labels"] == expected["labels"]
    assert shown["events"] == expected["events"]
    flat = [(step["seconds"], top["index"], top["score"]) for step in shown["timeline"] for top in step["top"]]
    assert flat == [(step["seconds"], step["index"], step["score"]) for step in expected["timeline"]]
    assert len(flat) > 0


def test_a_transcript_equals_that_of_the_job(client: Client, done: dict[str, Any], data: Path, tmp_path: Path):
    given = {"input": str(data / "speech"), "checkpoint": str(data / "reader"), "output": str(tmp_path / "transcripts")}
    record = transcribe(TranscriptionOptions.of(**given, vtt=str(tmp_path / "vtt"), beam=3, engine="local", quiet=True))
    assert record.counts.transcribed == 1
    (expected,) = transcripts(tmp_path / "transcripts")
    state = client.settled(client.upload((data / "speech" / "ab.mp4").read_bytes(), models="reader").json["id"])
    (shown,) = state["transcripts"]
    shard = client.get(f"/v1/videos/{state['id']}/results.parquet").body
    (row,) = pq.read_table(io.BytesIO(shard)).to_pylist()
    for column in ("text", "score", "words", "coverage"):
        assert shown[column] == row[column] == expected[column], column
    assert row["model"] == expected["model"]
    subtitles = client.get(f"/v1/videos/{state['id']}/subtitles.vtt").body.decode()
    assert subtitles.replace(state["id"], "ab") == (tmp_path / "vtt" / "ab.vtt").read_text()
    # A video in which the others see something, and no mouth is where this reader looks for it.
    assert [(one["model"], one["code"]) for one in done["failures"]] == [("reader", "no_face")]


def test_a_video_tells_what_it_is_and_is_played_in_parts(client: Client, done: dict[str, Any], data: Path):
    content = (data / "videos" / "v00001.mp4").read_bytes()
    assert done["name"] == "holiday.mp4"
    assert done["duration_seconds"] == pytest.approx(3.6)
    assert [result["model"] for result in done["results"]] == list(NAMES)
    part = client.get(f"/v1/videos/{done['id']}/media", range="bytes=10-19")
    assert (part.status, part.body) == (206, content[10:20])
    assert part.headers["content-type"] == "video/mp4"
    assert "sandbox" in part.headers["content-security-policy"]


def test_events_come_as_subtitles_and_for_label_tools(client: Client, done: dict[str, Any]):
    events = next(result["events"] for result in done["results"] if result["model"] == "stream")
    vtt = client.get(f"/v1/videos/{done['id']}/events.vtt?model=stream").body.decode()
    assert vtt.startswith("WEBVTT")
    assert vtt.count("-->") == len(events) > 0
    text = client.get(f"/v1/videos/{done['id']}/events.csv?model=stream").body.decode()
    assert len(list(csv.reader(io.StringIO(text)))) == 1 + len(events)
    assert client.get(f"/v1/videos/{done['id']}/events.csv?model=nobody").code == "invalid"


def test_models_are_described(client: Client):
    found = {each["name"]: each for each in client.get("/v1/models").json}
    assert {name: each["kind"] for name, each in found.items()} == {
        "stream": "stream",
        "actions": "clip",
        "means": "mean",
        "frames": "frames",
        "reader": "lips",
    }
    assert {name: each["live_hz"] for name, each in found.items() if each["live"]} == {"stream": 5.0}
    assert found["stream"]["classes"] == [f"Class {place}" for place in range(4)]


def test_corrections_are_a_manifest_that_training_takes(
    client: Client, server: Server, done: dict[str, Any], data: Path
):
    path = f"/v1/videos/{done['id']}/corrections"
    sent = {"model": "stream", "start_seconds": 0.5, "end_seconds": 2.2, "label": "Class 1"}
    assert client.send_json(path, {**sent, "label": "first guess"}).status == 201
    kept = client.send_json(path, sent)
    assert kept.status == 201
    expected = {"model": "stream", "start_seconds": 0, "end_seconds": 3, "label": "Class 1"}
    assert kept.json == expected
    assert client.get(f"/v1/videos/{done['id']}").json["corrections"] == [expected]
    for wrong in ({"label": "7"}, {"label": "a;b"}, {"end_seconds": 0.1}, {"model": "nobody"}, {"start_seconds": -1}):
        assert client.send_json(path, {**sent, **wrong}).code == "invalid", wrong
    manifest = server.log.parent / "kept" / "corrections.csv"
    (row,) = read_videos(str(manifest), policy=ReadPolicy(allow_local_files=True))
    assert (row.labels, row.start_seconds, row.end_seconds) == (("Class 1",), 0, 3)
    assert Path(row.uri).read_bytes() == (data / "videos" / "v00001.mp4").read_bytes()
    assert client.get("/v1/corrections.csv").body == manifest.read_bytes()
    assert str(server.log.parent).encode() not in manifest.read_bytes()


def test_a_picture_of_a_time_is_decoded(client: Client, done: dict[str, Any]):
    answer = client.get(f"/v1/videos/{done['id']}/frame.jpg?seconds=2")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.body.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"<html>no video</html>", "video.mp4", "not_media"),
        (b"", "video.mp4", "not_media"),
        (bytes(9 << 20), "video.mp4", "too_large"),
    ],
)
def test_what_is_no_video_is_refused_at_once(client: Client, content: bytes, name: str, code: str):
    answer = client.upload(content, name)
    assert (answer.status, answer.code) == ({"not_media": 415, "too_large": 413}[code], code)


def test_a_broken_video_fails_alone_and_tells_nothing_of_the_machine(client: Client, server: Server, data: Path):
    content = (data / "videos" / "v00001.mp4").read_bytes()
    state = client.settled(client.upload(content[: len(content) // 3]).json["id"])
    assert (state["status"], state["error"]["code"]) == ("failed", "truncated")
    assert "/" not in state["error"]["message"]
    assert state["results"] == []
    assert client.get(f"/v1/videos/{state['id']}/results.parquet").code == "not_ready"


def test_damaged_files_end_in_results_or_failures(client: Client, tmp_path: Path):
    clips = ("h264.mp4", "h264.mkv", "mpeg4.avi", "wmv2.asf", "pictures.gif")
    files = [
        file
        for mutation in (damaged, claiming)
        for file in mutations(tmp_path / mutation.__name__, mutation, 8, 3, clips)
    ]
    outcomes = serve_mutations(client, files, "stream", 4)
    assert outcomes.total() == len(files)
    assert outcomes["done"]


def test_a_deleted_video_leaves_no_file(client: Client, server: Server, data: Path):
    video = client.upload((data / "videos" / "v00000.mp4").read_bytes()).json["id"]
    files = spooled(server)
    assert client.ask("DELETE", f"/v1/videos/{video}").status == 204
    assert client.get(f"/v1/videos/{video}").code == "not_found"
    assert len(spooled(server)) == len(files) - 1
    assert client.ask("DELETE", f"/v1/videos/{video}").status == 404


def spooled(server: Server) -> list[Path]:
    """The files of uploads."""
    return [path for path in (server.log.parent / "uploads").glob("*/*") if path.name != "lock"]


def test_uploads_that_stop_are_given_up(client: Client, server: Server):
    before = len(spooled(server))
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        head = f"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
        head += "Content-Length: 5000000\r\n\r\n"
        slow.sendall(head.encode() + form(b"\0\0\0\x18ftypisom")[:200])
        slow.settimeout(60)
        answer = b"".join(iter(lambda: slow.recv(4096), b""))  # the connection is closed after it
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"timeout"' in answer
    assert len(spooled(server)) == before


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "gs://bucket/v.mp4",
        "http://127.0.0.1:1/v.mp4",
        "http://localhost/v.mp4",
        "http://[::ffff:10.0.0.1]/v.mp4",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/v.mp4",
    ],
)
def test_addresses_of_this_network_are_refused(client: Client, uri: str):
    answer = client.send_json("/v1/videos", {"uri": uri})
    assert (answer.status, answer.code) == (422, "uri_refused")


def test_other_pages_are_not_answered_and_ours_is_strict(client: Client):
    assert client.get("/v1/models", origin="https://example.org").status == 403
    page = client.get("/")
    assert page.status == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert client.get("/static/../api.py").status == 404
    assert client.get("/healthz").json == {"status": "ok"}


def test_metrics_count(client: Client, done: dict[str, Any]):
    text = client.get("/metrics").body.decode()
    assert 'framemill_videos_total{code="",status="done"}' in text
    assert "framemill_request_seconds_count" in text


def jpeg(number: int) -> bytes:
    """A frame of a camera."""
    import cv2

    done, content = cv2.imencode(".jpg", picture(number, 96, 48)[:, :, ::-1])
    assert done
    return content.tobytes()


def test_a_camera_is_watched_and_nothing_is_stored(client: Client, server: Server):
    before = spooled(server)
    with connect(f"{server.url.replace('http', 'ws')}/v1/live?model=stream", max_size=1 << 20) as camera:
        seconds = []
        for number in range(4):
            camera.send(jpeg(number))
            answer = json.loads(camera.recv(120))
            assert sum(each["score"] for each in answer["top"]) == pytest.approx(1, abs=1e-5)
            seconds.append(answer["seconds"])
        assert seconds == sorted(seconds)
        assert seconds[0] == 0
        camera.send(b"\xff\xd8\xff no picture")
        assert json.loads(camera.recv(120))["error"]["code"]
        for number in range(5):
            camera.send(jpeg(number))
        assert json.loads(camera.recv(120))["dropped"] >= 0
    assert spooled(server) == before
    with (
        connect(f"{server.url.replace('http', 'ws')}/v1/live?model=actions") as camera,
        pytest.raises(ConnectionClosed),
    ):
        camera.recv(30)


def test_the_schema_has_examples(client: Client):
    schema = client.get("/openapi.json").json
    assert set(schema["paths"]) >= {"/v1/videos", "/v1/videos/{id}", "/v1/models", "/healthz", "/metrics"}
    assert set(schema["paths"]) >= {f"/v1/videos/{{id}}/subtitles.{form}" for form in ("vtt", "srt")}
    body = schema["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    assert body["application/json"]["schema"]["properties"]["uri"]["examples"]
    assert body["multipart/form-data"]["schema"]["required"] == ["file"]


@pytest.mark.heavy
def test_the_api_is_what_its_schema_says(server: Server, tmp_path: Path):
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    run = subprocess.run(
        [*map(str, command), "--max-examples", "15", "--checks", checks, "--seed", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=500,
    )
    assert run.returncode == 0, run.stdout[-6000:]


def replicas(name: str, ancestor: int) -> list[int]:
    """The processes of a deployment of the service that runs as `ancestor`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name.encode() in (folder / "cmdline").read_bytes() and ancestor in ancestors(int(folder.name)):
                found.append(int(folder.name))
    return found


def ancestors(process: int) -> Iterator[int]:
    """The processes above one."""
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        yield process


@pytest.mark.heavy
@pytest.mark.parametrize("name", [":decoder", ":networks actions", ":classifier means"])
def test_a_replica_that_is_killed_costs_no_video(client: Client, server: Server, data: Path, name: str):
    content = (data / "videos" / "v00001.mp4").read_bytes()
    videos = [client.upload(content).json["id"] for _ in range(3)]
    time.sleep(1.0)
    found = replicas(name, server.process.pid)
    assert found
    for process in found:
        os.kill(process, signal.SIGKILL)
    for video in videos:
        state = client.settled(video)
        assert state["status"] == "done", state["error"]


@pytest.mark.heavy
def test_bad_input_is_told_before_any_work(tmp_path: Path, data: Path):
    (tmp_path / "token").write_text("short")
    for arguments, problem in (
        (["--checkpoint", tmp_path / "none"], "there is no checkpoint"),
        (["--checkpoint", data / "stream", "--token-file", tmp_path / "token"], "16 ASCII characters or more"),
        (["--checkpoint", data / "stream", data / "stream"], "more than once"),
    ):
        command = list(map(str, [sys.executable, ROOT / "jobs" / "serve.py", "--port", 0, *arguments]))
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=job_environment())
        assert run.returncode == 2
        assert problem in run.stderr


def test_shards_have_the_columns_of_the_job(client: Client, done: dict[str, Any]):
    shard = client.get(f"/v1/videos/{done['id']}/results.parquet").body
    assert set(pq.read_schema(io.BytesIO(shard)).names) >= set(LABEL_SCHEMA.names)
