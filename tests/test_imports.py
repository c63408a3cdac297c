"""Who may import whom, read from the source: one table of packages, one home for each heavy library, no circles.

Every import counts: at the top of a file, inside a function, under `TYPE_CHECKING`, and where a string names a module:
in a registry, in a program given to `python -c`, after `python -m`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from classifiers.export.litert_converter import NEEDED

ROOT = Path(__file__).resolve().parent.parent
OURS = ("schemas", "extractors", "classifiers", "cluster", "jobs", "framemill")

# What each package may import besides itself and `schemas`. `extractors` and `classifiers` stand for the files in those
# folders themselves; `extractors/*` for these and all subpackages.
ALLOWED = {
    "schemas": [],
    "extractors/video": [],
    "extractors/networks": [],
    "extractors/clips": ["extractors", "extractors/video", "extractors/flow"],
    "extractors/cutting": ["extractors/clips", "extractors/video"],
    "extractors/flow": [],
    "extractors/faces": ["extractors/networks", "extractors/weights", "extractors/video"],
    "extractors/live": ["extractors/clips", "extractors/video"],
    "extractors/weights": ["extractors/networks"],
    "extractors": ["extractors/video", "extractors/networks", "extractors/weights"],
    "classifiers": [],
    "classifiers/layers": [],
    "classifiers/text": ["classifiers"],
    "classifiers/data": [],
    "classifiers/feature_models": ["classifiers/layers", "classifiers"],
    "classifiers/clip_models": ["classifiers/layers", "classifiers", "extractors/networks"],
    "classifiers/lip_models": ["classifiers/layers", "classifiers"],
    "classifiers/metrics": ["classifiers/text", "classifiers"],
    "classifiers/weights": [
        *["classifiers/feature_models", "classifiers/clip_models", "classifiers/text", "classifiers"],
        "extractors/weights",
    ],
    "classifiers/training": ["classifiers/weights", "classifiers/metrics", "classifiers/text", "classifiers"],
    "classifiers/inference": [
        *["classifiers/weights", "classifiers/feature_models", "classifiers/clip_models", "classifiers/lip_models"],
        *["classifiers/metrics", "classifiers/data", "classifiers/text", "classifiers/layers", "classifiers"],
    ],
    "classifiers/export": [
        *[
            "classifiers/inference",
            "classifiers/weights",
            "classifiers/clip_models",
            "classifiers/layers",
            "classifiers",
        ],
    ],
    "cluster": [],
    "cluster/storage": ["extractors/*"],
    "cluster/reports": ["cluster/storage", "extractors/video", "classifiers/*"],
    "cluster/runs": ["cluster/storage"],
    "cluster/datasets": ["cluster/storage", "cluster/runs", "classifiers/data", "classifiers/text"],
    "cluster/annotations": ["cluster/storage", "cluster/datasets"],
    "cluster/features": ["cluster/storage", "cluster/runs", "classifiers/data"],
    "cluster/engines": ["cluster/storage", "cluster/runs", "extractors/*"],
    "cluster/clips": ["cluster/storage", "cluster/engines", "extractors/*"],
    "cluster/extraction": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/engines", "cluster/reports"],
        "extractors/*",
    ],
    "cluster/compaction": ["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/reports"],
    "cluster/timelines": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/annotations", "classifiers/*"],
    ],
    "cluster/scoring": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/features", "cluster/engines"],
        *["cluster/timelines", "extractors/*", "classifiers/*"],
    ],
    "cluster/training": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/features", "cluster/engines"],
        *["cluster/clips", "cluster/reports", "extractors/*", "classifiers/*"],
    ],
    "cluster/transcription": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/engines", "cluster/timelines"],
        *["cluster/scoring", "cluster/reports", "extractors/*", "classifiers/*"],
    ],
    "cluster/cutting": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/annotations", "cluster/engines"],
        *["cluster/reports", "extractors/*"],
    ],
    "cluster/live": [
        *["cluster/storage", "cluster/runs", "cluster/engines", "cluster/scoring", "extractors/*", "classifiers/*"],
    ],
    "cluster/serving": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/features", "cluster/engines"],
        *["cluster/timelines", "cluster/extraction", "cluster/scoring", "cluster/live", "cluster/transcription"],
        *["extractors/*", "classifiers/*"],
    ],
    "cluster/deploy": ["cluster/runs"],
    "cluster/export": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/clips", "cluster/scoring"],
        *["extractors/*", "classifiers/*"],
    ],
    "cluster/nightly": [
        *["cluster/storage", "cluster/runs", "cluster/datasets", "cluster/engines", "cluster/reports"],
        *["cluster/clips", "cluster/extraction", "cluster/scoring", "cluster/timelines"],
        *["extractors/*", "classifiers/*"],
    ],
    "jobs": ["extractors/*", "classifiers/*", "cluster/*"],
    "framemill": ["extractors/*", "classifiers/*", "cluster/*", "jobs"],
}
# The packages or files that alone may import a library.
HOMES = {
    "ai_edge_litert": ["classifiers/export"],
    "aiohttp": ["cluster/storage"],
    "apache_beam": ["cluster/engines/beam_pipeline.py", "cluster/engines/beam_worker.py"],
    "av": ["extractors/video", "extractors/clips", "extractors/cutting", "extractors/live", "jobs/samples"],
    "cv2": ["extractors/flow/dis.py"],
    "fastapi": ["cluster/serving"],
    "flatbuffers": ["classifiers/export"],
    "fsspec": ["cluster/storage"],
    "h5py": ["extractors/weights", "classifiers/weights/keras_files.py"],
    "jinja2": ["cluster/reports"],
    "litert_torch": ["classifiers/export/litert_program.py"],
    "onnx": ["classifiers/export"],
    "onnxruntime": ["classifiers/export"],
    "pandas": ["framemill"],
    "prometheus_client": ["cluster/serving/metrics.py"],
    "pyarrow": ["schemas", "cluster", "framemill"],
    "pydantic": ["cluster/serving"],
    "python_multipart": ["cluster/serving/uploads.py"],
    "ray": ["cluster/engines", "cluster/serving", "cluster/training/ray.py", "cluster/deploy/submission.py"],
    "sklearn": ["framemill/sklearn.py"],
    "skops": ["classifiers/inference/scikit_learn.py"],
    "starlette": ["cluster/serving"],
    "tensorboardX": ["cluster/training/tensorboard.py"],
    "tensorflow": ["cluster/features"],
    "torch": [
        *["extractors", "classifiers", "cluster/features", "cluster/engines", "cluster/extraction"],
        *["cluster/live", "cluster/scoring", "cluster/serving", "cluster/training", "framemill"],
    ],
    "uvicorn": ["cluster/serving/http_server.py"],
}
SOURCES = sorted(path.relative_to(ROOT) for package in OURS for path in (ROOT / package).rglob("*.py"))
PROGRAM = re.compile(r"(?:from|import) ([a-z_0-9.]+)")


def dotted(path: Path) -> str:
    """`cluster/storage/files.py` -> `cluster.storage.files`."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in SOURCES}


def package_of(path: Path) -> str:
    """The package of the table: two folders deep in the three large ones, one in the others."""
    depth = 1 if path.parts[0] in ("schemas", "jobs", "framemill") else 2
    return "/".join(path.parts[:-1][:depth])


def docstrings(tree: ast.Module) -> set[int]:
    """The nodes of bare strings, which import nothing whatever they mention."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names of what the file imports: modules of ours, and other libraries by their first name."""
    return frozenset(name if name in MODULES else name.split(".")[0] for name in _imports(path))


def _imports(path: Path) -> Iterator[str]:
    tree = ast.parse((ROOT / path).read_text())
    bare = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            yield from (name if (name := f"{module}.{alias.name}") in MODULES else module for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            named = [node.value, *PROGRAM.findall(node.value)]
            yield from (name for name in named if "." in name and name in MODULES)


def files_imported(path: Path) -> set[Path]:
    """The files of ours that it imports."""
    return {MODULES[name] for name in imports(path) if name in MODULES} - {path}


def within(path: Path, place: str) -> bool:
    """Whether the file is `place`, or lies in that folder."""
    return Path(place) in (path, *path.parents)


def allows(allowed: str, package: str) -> bool:
    """Whether an entry of the table covers a package."""
    return package == allowed or (allowed.endswith("/*") and package.split("/")[0] == allowed.split("/")[0])


def assert_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_packages_import_what_the_table_allows(path: Path) -> None:
    package = package_of(path)
    for imported in sorted(files_imported(path)):
        other = package_of(imported)
        permitted = other in (package, "schemas") or any(allows(allowed, other) for allowed in ALLOWED[package])
        assert permitted, f"{path} may not import {imported}"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_each_heavy_library_has_one_home(path: Path) -> None:
    for library in imports(path) & set(HOMES):
        assert any(within(path, home) for home in HOMES[library]), (
            f"{path} may not import {library}: its home is {', '.join(HOMES[library])}"
        )


def test_files_import_in_no_circle() -> None:
    assert_no_circle({str(path): {str(other) for other in files_imported(path)} for path in SOURCES})


def test_packages_import_in_no_circle() -> None:
    graph: dict[str, set[str]] = {package: set() for package in ALLOWED}
    for path in SOURCES:
        graph[package_of(path)] |= {package_of(other) for other in files_imported(path)} - {package_of(path)}
    assert_no_circle(graph)


def test_the_table_names_every_package_and_no_other() -> None:
    assert set(ALLOWED) == {package_of(path) for path in SOURCES}


def test_a_package_imports_nothing_by_itself() -> None:
    """A name has one home: no `__init__.py` imports what others define, but for that of the public package."""
    for path in SOURCES:
        if path.name == "__init__.py" and path.parts[0] != "framemill":
            assert not imports(path), f"{path} imports {', '.join(imports(path))}"


def test_extraction_needs_no_classifier() -> None:
    reached = closure(Path("jobs/extract_features.py"))
    assert not [str(path) for path in sorted(reached) if path.parts[0] == "classifiers"]


def test_the_converter_is_given_all_that_its_program_needs() -> None:
    reached = closure(Path("classifiers/export/litert_program.py"))
    assert {path.parts[0] for path in reached} == set(NEEDED)


def closure(path: Path) -> set[Path]:
    """All files of ours that a file needs, by whatever way."""
    reached, left = set[Path](), [path]
    while left:
        if (file := left.pop()) not in reached:
            reached.add(file)
            left += files_imported(file)
    return reached
