"""Tests mirror the tree: `cluster/storage/files.py` is tested by `tests/cluster/storage/test_files.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "extractors", "classifiers", "cluster", "jobs", "framemill")

# Files without logic of their own.
EXEMPT = {
    "cluster/annotations/base.py": "rows",
    "cluster/engines/beam_config.py": "rows",
    "cluster/engines/options.py": "declares options, whose checks are tested in test_options.py of cluster/runs",
    "cluster/reports/context.py": "rows",
    "cluster/runs/common_options.py": "declares options",
    "cluster/serving/payloads.py": "rows",
    "cluster/storage/read_policy.py": "a row and an exception",
    "cluster/training/base.py": "a protocol and its rows",
    "cluster/reports/charts/colours.py": "rows",
    "extractors/cutting/span.py": "rows",
    "extractors/networks/sizes.py": "constants",
    "extractors/video/bitstream/picture.py": "rows",
    "framemill/commands.py": "a row",
    "framemill/__main__.py": "starts the command",
    "schemas/annotations.py": "rows",
    "schemas/evaluations.py": "rows",
    "schemas/event_evaluations.py": "rows",
    "schemas/exports.py": "rows",
    "schemas/recordings.py": "a schema",
    "schemas/text_results.py": "rows",
    "schemas/spoken_words.py": "rows",
}


def sources() -> list[Path]:
    """Files of the packages, from the root, but for the texts that say what a package is."""
    files = (path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(file for file in files if file.name != "__init__.py")


def test_every_file_of_logic_has_its_test_file() -> None:
    untested = {str(file) for file in sources() if not (ROOT / "tests" / file.parent / f"test_{file.name}").is_file()}
    assert untested - set(EXEMPT) == set()


def test_exempt_files_exist_and_have_no_test_file() -> None:
    for name in EXEMPT:
        file = Path(name)
        assert (ROOT / file).is_file(), name
        assert not (ROOT / "tests" / file.parent / f"test_{file.name}").exists(), name


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("[bc]*/**/README.md")), ids=str)
def test_pages_name_files_that_exist(page: Path) -> None:
    text = page.read_text()
    links = [name for name in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in name]
    named = re.findall(r"`((?:benchmarks|classifiers|cluster|extractors|jobs|schemas|tests)/[\w/.]*)`", text)
    missing = [name for name in links if not (page.parent / name).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing
