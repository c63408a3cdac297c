"""Who may import whom, read from the source: the layers of the design, and one home for each heavy library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("schemas", "extractors", "classifiers", "cluster", "jobs")
ALLOWED = {
    "schemas": set(),
    "extractors": {"schemas"},
    "classifiers": {"schemas"},
    "cluster": {"schemas", "extractors", "classifiers"},
    "jobs": {"schemas", "extractors", "classifiers", "cluster"},
}
# Libraries that only these packages may import.
HOMES = {
    "ray": {"cluster"},
    "apache_beam": {"cluster"},
    "fsspec": {"cluster"},
    "av": {"extractors", "jobs"},  # a job draws and encodes the sample videos
    "torch": {"extractors", "classifiers", "cluster"},
    "pyarrow": {"schemas", "cluster"},
    "h5py": {"classifiers"},
    "tensorflow": {"cluster"},
    "tensorboardX": {"cluster"},
}
SOURCES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers_and_homes(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        top = name.split(".")[0]
        if top in OURS:
            assert top == package or top in ALLOWED[package], f"{path} may not import {name}"
        elif top in HOMES:
            assert package in HOMES[top], f"{path} may not import {name}: its home is {HOMES[top]}"


def test_the_table_is_complete() -> None:
    assert set(ALLOWED) == set(OURS)
    assert len(SOURCES) > 50
