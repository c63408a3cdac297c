"""Jobs by the name that whoever started the process knows them by; and that no other name is in the messages."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.commands import COMMAND_OF, job

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path for package in ("schemas", "extractors", "classifiers", "cluster") for path in (ROOT / package).rglob("*.py")
]
SCRIPT = re.compile(rf"\b({'|'.join(COMMAND_OF)})\.py\b")
OF_RAY_JOBS = "-- python jobs/"  # which run in a checkout


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("framemill label", "framemill export"),
        ("jobs/score_videos.py", "python jobs/export_model.py"),
        (f"{ROOT}/jobs/serve.py", f"python {ROOT}/jobs/export_model.py"),
        ("/home/me/nightly.py", "framemill export"),
        ("score_videos.py", "framemill export"),
        ("analysis.py", "framemill export"),
        ("/home/jobs/score_videos", "framemill export"),
        ("", "framemill export"),
    ],
)
def test_a_job_is_named_as_the_process_was_started(
    program: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [program, "--videos", "a"])
    assert job("export_model") == expected


def test_a_job_that_is_started_in_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "jobs")
    monkeypatch.setattr(sys, "argv", ["score_videos.py"])
    assert job("export_model") == "python export_model.py"


def test_a_process_without_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    assert job("join_streams") == "framemill join-streams"


def texts(tree: ast.AST) -> Iterator[str]:
    """The string constants that are no statements, as docstrings are."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def test_no_message_names_a_script() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in SOURCES
        for text in texts(ast.parse(path.read_text()))
        if SCRIPT.search(text) and OF_RAY_JOBS not in text
    ]
    assert found == []


def test_jobs_that_messages_name_exist() -> None:
    names = [
        node.args[0].value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "job"
        if node.args and isinstance(node.args[0], ast.Constant)
    ]
    assert len(names) >= 10
    assert set(names) <= COMMAND_OF.keys()
