"""The command `framemill`: every job by its name."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import framemill
from framemill.command import COMMANDS, as_commands, main
from schemas.commands import COMMAND_OF
from tests.support.dataset import ROOT, job_environment


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "framemill", *arguments]
    environment = {**job_environment(), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


def test_each_job_has_a_command() -> None:
    jobs = {f"jobs.{path.stem}" for path in (ROOT / "jobs").glob("*.py")} - {"jobs.__init__"}
    assert {command.module for command in COMMANDS.values() if command.module.startswith("jobs.")} == jobs


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and command.summary in printed for name, command in COMMANDS.items())
    assert max(map(len, printed.splitlines())) <= 100


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"framemill {framemill.__version__}\n"


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lable"]) == 2
    assert "no command 'lable'; did you mean label?" in capsys.readouterr().err


def test_a_command_is_the_job(tmp_path: Path) -> None:
    made = run("samples", "--output", "videos", "--count", "1", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "videos" / "manifest.csv").is_file()
    refused = run("extract", "--input", "videos", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--output is required" in refused.stderr


def test_help_of_a_command_speaks_of_the_command() -> None:
    printed = run("label", "--help").stdout
    assert printed.startswith("usage: framemill label --checkpoint")
    assert "framemill label --features features/" in printed
    assert "python jobs/" not in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_no_script(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(COMMANDS[name].module)
    monkeypatch.setattr(module, "__doc__", module.__doc__)  # which the command changes, as it does the arguments
    monkeypatch.setattr(sys, "argv", sys.argv)
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: framemill {name} ")
    of_ray_jobs = re.compile(r"-- python jobs/\w+\.py")
    assert not re.findall(rf"\b(?:{'|'.join(COMMAND_OF)})\.py", of_ray_jobs.sub("", printed))


def test_errors_and_records_name_what_was_typed(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"no video")
    options = ("--videos", "videos", "--checkpoint", "no.onnx", "--labels", "labels", "--engine", "local")
    assert "framemill export writes it from a checkpoint" in run("label", *options, cwd=tmp_path).stderr
    script = str(ROOT / "jobs" / "score_videos.py")
    done = subprocess.run(
        [sys.executable, script, *options], capture_output=True, text=True, cwd=tmp_path, env=job_environment()
    )
    assert f"python {ROOT}/jobs/export_model.py writes it from a checkpoint" in done.stderr


def test_what_a_ray_job_runs_stays_a_script() -> None:
    line = "ray job submit --working-dir . -- python jobs/extract_features.py --input a"
    assert as_commands(line) == line


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'ray', 'pyarrow', 'av', 'pandas'}"
    code = f"import sys, framemill; dir(framemill); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**job_environment(), "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_file_that_hides_a_package_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "schemas.py").write_text("")
    command = [sys.executable, "-c", "import framemill; framemill.sample"]
    environment = {**job_environment(), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert f"{tmp_path}/schemas.py hides the package 'schemas' that Framemill needs: rename it" in done.stderr


def test_names_of_the_package_are_found() -> None:
    assert all(getattr(framemill, name) is not None for name in framemill.__all__)
    assert framemill.sklearn.VideoClassifier().epochs == 20
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        framemill.smaple  # noqa: B018 - the access is what is tested
