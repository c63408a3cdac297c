"""What shells complete, in a real bash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from framemill.command import COMMANDS
from framemill.completion import main, options_by_command


def script(shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("sys.argv", ["framemill completion", "--shell", shell])
    assert main(COMMANDS) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tr"], ["train", "transcribe"]),
        (["extract", "--engine", ""], ["ray", "local", "beam"]),
        (["extract", "--engine", "l"], ["local"]),
        (["label", "--time"], ["--timeline", "--timeline-hz", "--timeline-top-k", "--time-limit"]),
        (["extract", "--inp"], ["--input"]),
        (["doctor", "--s"], ["--store"]),
        (["extract", "--input", "vid"], []),
    ],
)
def test_bash_completes(
    words: list[str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "completion"
    path.write_text(script("bash", monkeypatch, capsys))
    given = " ".join(f"'{word}'" for word in ["framemill", *words])
    code = f"source {path}; COMP_WORDS=({given}); COMP_CWORD={len(words)}; _framemill; "
    code += "printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(expected)
    assert not done.stderr


def test_the_shell_may_stand_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    expected = script("fish", monkeypatch, capsys)
    monkeypatch.setattr("sys.argv", ["framemill completion", "fish"])
    assert main(COMMANDS) == 0
    assert capsys.readouterr().out == expected


def test_without_a_shell_the_known_ones_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["framemill completion"])
    with pytest.raises(SystemExit):
        main(COMMANDS)
    assert "--shell is required: the shell (bash | zsh | fish)" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_all_commands(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = script(shell, monkeypatch, capsys)
    assert all(name in printed for name in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=printed, text=True, check=True)


def test_each_command_has_options() -> None:
    found = options_by_command(COMMANDS)
    assert list(found) == list(COMMANDS)
    assert all(found.values())
    assert "redo-earlier" in [each.name for each in found["extract"]]
