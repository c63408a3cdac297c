"""What `framemill doctor` finds, and what it says to do."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from extractors.weights.weight_sets import WEIGHT_SETS
from framemill.doctor import main


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one; no cluster, no credentials."""
    for name in ("RAY_ADDRESS", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, str]]:
    """The exit code, and each line by its subject, with its remedy."""
    monkeypatch.setattr("sys.argv", ["framemill doctor", *arguments])
    code = main()
    found: dict[str, str] = {}
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("    "):
            found[list(found)[-1]] += " → " + line.strip()
        else:
            subject, _, text = line[4:].partition("  ")
            found[subject] = f"{line[:2]} {text.strip()}"
    return code, found


def test_a_machine_that_lacks_nothing_but_weights(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = findings(monkeypatch, capsys)
    assert code == 0
    assert found["libraries"].startswith("ok av ")
    assert found["gcs"].startswith("ok gcsfs ")
    assert "cores, networks in " in found["processor"]
    assert found["cache"] == f"ok {cache}"
    assert found["Ray"].startswith("ok RAY_ADDRESS is not set")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in found["gs://"]
    missing = found["inception-2015 (frames)"]
    assert missing.startswith("-- not in the cache")
    assert f"curl -fL --create-dirs -o {cache}/pt_inception-2015-12-05-6726825d.pth https://" in missing


def test_weights_of_the_wrong_size_are_broken(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = next(each for each in WEIGHT_SETS if each.size_bytes and each.shipped is None)
    cache.mkdir()
    (cache / known.file_name).write_bytes(b"half")
    code, found = findings(monkeypatch, capsys)
    assert code == 1
    assert "has 4 bytes" in found[f"{known.name} ({known.kind})"]


def test_a_cluster_that_does_not_answer_is_broken(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        assert findings(monkeypatch, capsys)[1]["Ray"].startswith(f"ok something listens at 127.0.0.1:{port}")
    code, found = findings(monkeypatch, capsys)
    assert code == 1
    assert "unset RAY_ADDRESS" in found["Ray"]
    monkeypatch.setenv("RAY_ADDRESS", f"http://127.0.0.1:{port}/")
    assert findings(monkeypatch, capsys)[1]["Ray"].startswith("!! no cluster")
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert findings(monkeypatch, capsys)[1]["Ray"].startswith("ok RAY_ADDRESS is auto")


def test_credentials_that_are_not_there_are_broken(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(cache / "key.json"))
    code, found = findings(monkeypatch, capsys)
    assert code == 1
    assert found["gs://"].startswith("!! GOOGLE_APPLICATION_CREDENTIALS names a file that is not there")


def test_another_version_than_is_needed_is_broken(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = [
        "av<1",
        "torch>=2",
        'skops>=99; extra == "sklearn"',
        'nothing>=1; extra == "other"',
        'ruff; extra == "dev"',
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: needs)
    code, found = findings(monkeypatch, capsys)
    assert code == 1
    assert re.fullmatch(r"!! needs av<1 \(here: 18[\d.]+\) → pip install framemill", found["libraries"])
    assert found["sklearn"].startswith("-- needs skops>=99 (here: 0.")
    assert found["other"] == "-- not installed → pip install 'framemill[other]'"
    assert "dev" not in found


def test_stores_are_listed(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    nowhere = str(tmp_path / "nowhere")
    code, found = findings(monkeypatch, capsys, "--store", str(tmp_path), nowhere)
    assert code == 1
    assert f"from {tmp_path}/a.mp4 on" in found[str(tmp_path)]
    assert found[nowhere].startswith("!!")


def test_a_cache_that_cannot_be_written_to_is_broken(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("a file")
    code, found = findings(monkeypatch, capsys)
    assert code == 1
    assert "FRAMEMILL_CACHE" in found["cache"]
