"""What a bad input gets: for every code a file that produces it, and the sentence that its owner reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest

from schemas.outcomes import RETRY_HELPS, FailureCode
from tests.support.claims import long_mp4
from tests.support.dataset import ids, rows, run_job
from tests.support.poison import decompression_bomb, many_traks
from tests.support.servers import http_files
from tests.support.sounds import Track, sound_packets
from tests.support.videos import Clip, remux, write_video

SMALL = {"width": 96, "height": 48}
ENCRYPTED = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "00112233445566778899aabbccddeeff",
    "encryption_kid": "ffeeddccbbaa99887766554433221100",
}
# id: the code, and what the message must say
BAD = {
    "missing": ("missing", "there is no such file: correct its uri in the manifest"),
    "forbidden": ("no_permission", "permission"),
    "empty": ("empty", "the file is empty: its upload failed"),
    "folder": ("not_media", "not a regular file"),
    "pipe": ("not_media", "not a regular file"),
    "text": ("not_media", "not a readable media file"),
    "playlist": ("not_media", "not a readable media file"),
    "header": (
        "truncated",
        "its index cannot be read: the recording or the upload was cut short. Provide the whole file",
    ),
    "cut": (
        "truncated",
        "only 38% of its frames can be decoded, less than half; missing: 3 to 8 s. The recording or",
    ),
    "holed": ("damaged", "less than half; missing: "),
    "sound": ("no_video_stream", "it has no video stream, only audio"),
    "unknown": ("unsupported_codec", "codec is unknown to this decoder: convert it"),
    "headless": ("no_decodable_frame", "has no decodable frame"),
    "locked": ("encrypted", "its video is encrypted: provide a decrypted copy"),
    "huge": (
        "absurd_dimensions",
        "more than 67108864 pixels (raise it with --max-pixels if the file is genuine)",
    ),
    "tracks": ("memory_limit", "more than 512 streams"),
    "long": ("too_long", "the limit is 2,592,000 frames. If the length is real, raise the limit (--max-grid-points)"),
    "bomb": ("memory_limit", "took more than 160 MiB (--memory-limit-mib)"),
}
# These need a process that dies, time that runs out, a store that fails, a lip reader, and a mistake of ours.
ELSEWHERE = {"no_face", "copy_limit", "worker_died", "time_limit", "storage", "internal"}


def faststart(**changes: object) -> Clip:
    """A clip of eight seconds whose index lies before its pictures, with a key frame every second."""
    values = {"frames": 200, "gop": 25, "container_options": {"movflags": "faststart"}, **SMALL}
    return Clip(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    whole = write_video(folder / "good.mp4", faststart()).read_bytes()
    (folder / "forbidden.mp4").write_bytes(whole)
    (folder / "empty.mp4").touch()
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "text.mp4").write_text("not a video\n" * 50)
    (folder / "playlist.mp4").write_text("ffconcat version 1.0\nfile good.mp4\n")
    (folder / "header.mp4").write_bytes(whole[:60])
    fourth, last = key_frame(folder / "good.mp4", 3), key_frame(folder / "good.mp4", 7)
    (folder / "cut.mp4").write_bytes(whole[:fourth])
    first = key_frame(folder / "good.mp4", 1)
    (folder / "holed.mp4").write_bytes(whole[:first] + bytes(last - first) + whole[last:])
    track = Track(((0.0, np.zeros((1, 16_000), np.float32)),), "aac", 16_000)
    with av.open(str(folder / "sound.mp4"), "w") as container:
        container.mux(sound_packets(container, track))
    matroska = write_video(folder / "unknown.mkv", Clip(frames=30, **SMALL)).read_bytes()  # type: ignore[arg-type]
    (folder / "unknown.mkv").write_bytes(matroska.replace(b"V_MPEG4/ISO/AVC", b"V_NOBODY/KNOWS/"))
    vp8 = Clip("libvpx", 20, gop=100, options={"cpu-used": "8"}, **SMALL)  # type: ignore[arg-type]
    remux(write_video(folder / "vp8.mkv", vp8), folder / "headless.mkv", skip_packets=1)
    write_video(folder / "locked.mp4", faststart(frames=30, container_options=ENCRYPTED))
    decompression_bomb(folder / "huge.mov", 16_000, frames=2)
    decompression_bomb(folder / "bomb.mov", 8_000, frames=3)
    many_traks(folder / "tracks.mp4", 1_000)
    long_mp4(folder / "long.mp4", 2_600_000)
    return folder


def key_frame(path: Path, number: int) -> int:
    """Where in the file the key frame `number` begins."""
    with av.open(str(path)) as container:
        keys = [packet.pos for packet in container.demux(container.streams.video[0]) if packet.is_keyframe]
    position: int = keys[number]
    return position


@pytest.fixture(scope="module")
def failures(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What one run makes of all of them."""
    output = tmp_path_factory.mktemp("run") / "out"
    paths = {path.stem: str(path) for path in folder.iterdir()}
    with http_files(folder) as url:
        uris = {"good": paths["good"], **{name: paths.get(name, str(folder / name)) for name in BAD}}
        uris["forbidden"] = f"{url}/status/403/forbidden.mp4"
        manifest = output.parent / "manifest.jsonl"
        manifest.write_text("\n".join(json.dumps({"id": name, "uri": uri}) for name, uri in uris.items()))
        done = run_job(manifest, output, "--engine", "local", "--memory-limit-mib", "160")
    assert done.returncode == 3, done.stderr
    assert ids(output) == ["good"]
    found = {str(row["id"]): row for row in rows(output, "failures")}
    for code in {str(row["code"]) for row in found.values()}:
        assert f"× {code}: " in done.stderr
        assert (f": --retry-failed {code})" in done.stderr) == (code in RETRY_HELPS)
    return found


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_gets_a_code_and_a_sentence(name: str, failures: dict[str, dict[str, object]]) -> None:
    code, text = BAD[name]
    failure = failures[name]
    assert failure["code"] == code
    assert text in str(failure["message"])
    assert failure["attempts"] == (2 if code == "memory_limit" else 1)


def test_the_table_is_complete(failures: dict[str, dict[str, object]]) -> None:
    assert failures.keys() == BAD.keys()
    assert {code for code, _ in BAD.values()} | ELSEWHERE == set(FailureCode)


@pytest.mark.heavy
def test_the_message_of_a_time_limit_names_the_limit(folder: Path, tmp_path: Path) -> None:
    decompression_bomb(tmp_path / "slow.mov", 8_000, frames=200)
    # Well above what a picture of it takes: what does not stop by twice the limit is killed.
    done = run_job(tmp_path / "slow.mov", tmp_path / "out", "--engine", "local", "--time-limit", "4")
    assert done.returncode == 3, done.stderr
    (failure,) = rows(tmp_path / "out", "failures")
    assert (failure["code"], failure["attempts"]) == ("time_limit", 2)
    assert failure["message"] == "one segment of it took more than 4 s (--time-limit)"


def test_hostile_ids_are_data(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    good = write_video(tmp_path / "in" / "good.mp4", Clip(frames=10, **SMALL))  # type: ignore[arg-type]
    names = [
        "../../escape",
        "/etc/framemill",
        "..",
        ".",
        "~/x",
        "a\nb\r\tc",
        "\x00\x01\x1b[31m\x7f",
        "\u202egnp.exe",
        "case",
        "CASE",
        "Ⅱ\u0301",
        "x" * 4096,
        "file:///etc/passwd",
        "<script>alert(1)</script>",
        "'; DROP TABLE videos; --",
        "%2e%2e%2f",
    ]
    bad = {
        "long uri": "https://127.0.0.1:9/" + "a" * 20_000,
        "nul": "a\0b.mp4",
        "odd": "in/\x1b[2J\n.mp4",
        "up": "../" * 50 + "nowhere.mp4",
    }
    bad["long uri"] = "/" + "a" * 20_000  # of a file; one of a server would be tried again and again
    manifest = tmp_path / "in" / "manifest.jsonl"
    lines = [{"id": name, "uri": str(good)} for name in names] + [{"id": key, "uri": uri} for key, uri in bad.items()]
    manifest.write_text("\n".join(map(json.dumps, lines)))
    before = tree(tmp_path)
    output = tmp_path / "out"
    done = run_job(manifest, output, "--engine", "local", "--rows-per-shard", "3", "--max-failure-ratio", "0.5")
    assert done.returncode == 0, done.stderr
    assert ids(output) == sorted(names)
    assert {row["id"]: row["code"] for row in rows(output, "failures")} == dict.fromkeys(bad, "missing")
    assert before == {path for path in tree(tmp_path) if not path.startswith("out")}
    assert all("part-" in path or path.startswith(("out/runs", "out/vocab")) for path in files_of(output, tmp_path))


def test_file_names_that_are_no_text_and_that_differ_by_case(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    data = write_video(tmp_path / "good.mp4", Clip(frames=10, **SMALL)).read_bytes()  # type: ignore[arg-type]
    for name in (b"caf\xe9", b"line\nbreak", b"Case", b"case", b"\x1b[31m", b"x" * 240, b"-rf", b"%d"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".mp4")).write_bytes(data)
    output = tmp_path / "out"
    done = run_job(folder, output, "--engine", "local")
    assert done.returncode == 0, done.stderr
    expected = ["caf\\udce9", "line\nbreak", "Case", "case", "\x1b[31m", "x" * 240, "-rf", "%d"]
    assert ids(output) == sorted(expected)
    assert done.stderr.isprintable() or "\x1b[31m" not in done.stderr


def test_an_id_that_is_no_text_is_refused_before_any_work(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"id": "half \\ud800", "uri": "a.mp4"}')
    done = run_job(manifest, tmp_path / "out", "--engine", "local")
    assert done.returncode == 2
    assert "holds half of a surrogate pair, which is no text" in done.stderr
    assert not (tmp_path / "out").exists()


def tree(folder: Path) -> set[str]:
    """Every path below `folder`."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def files_of(output: Path, root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in output.rglob("*") if path.is_file()]
