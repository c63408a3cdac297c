"""The documentation as a site: it builds, its links lead somewhere, and it fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.dataset import ROOT
from tests.support.documentation import PAGES

REPOSITORY = "https://github.com/framemill/framemill"
HERE = ("127.0.0.1",)  # the reader's own service
FETCHED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*>")
LINK = re.compile(r"<a\b[^>]*?\shref=(?:\"([^\"]*)\"|([^ >]+))")
ID = re.compile(r"\sid=\"?([^\" >]+)")


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does. `--quiet` would keep mkdocs from counting its warnings."""
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(config), "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "docs" / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def pages(site: Path) -> Iterator[tuple[Path, str]]:
    yield from ((page, page.read_text()) for page in sorted(site.glob("*.html")))


def github_anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_in_repository(link: str) -> bool:
    """Whether a link to the repository leads to a file of this checkout, and to a heading of it."""
    path, _, anchor = link.removeprefix(REPOSITORY).partition("#")
    file = ROOT / (path.removeprefix("/blob/main/") or "README.md")
    return file.is_file() and (not anchor or anchor in github_anchors(file))


def is_in_site(link: str, page: Path, site: Path) -> bool:
    """Whether a link leads to a page of the site, and to a place on it."""
    address = urlsplit(link)
    file = page if not address.path else page.parent / unquote(address.path)
    file = file / "index.html" if file.is_dir() else file
    if not file.is_file() or site not in file.resolve().parents:
        return False
    return not address.fragment or unquote(address.fragment) in ID.findall(file.read_text())


def test_every_page_is_in_the_site(site: Path) -> None:
    assert {page.stem for page, _ in pages(site)} - {"404"} == {page.stem for page in PAGES.glob("*.md")}
    menu = LINK.findall((site / "index.html").read_text())
    assert {page.stem for page in PAGES.glob("*.md")} <= {Path(a or b).stem for a, b in menu}


def test_links_lead_somewhere(site: Path) -> None:
    broken = []
    for page, html in pages(site):
        if page.stem == "404":  # its links are those of a site at the root of a server
            continue
        for link in (one or other for one, other in LINK.findall(html)):
            if link.startswith(REPOSITORY):
                fine = is_in_repository(link)
            elif urlsplit(link).scheme:
                fine = urlsplit(link).hostname in HERE
            else:
                fine = is_in_site(link, page, site)
            if not fine:
                broken.append((page.name, link))
    assert not broken


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = [tag for _, html in pages(site) for tag in FETCHED.findall(html)]
    assert len(fetched) > len(list(pages(site)))
    assert not [tag for tag in fetched if re.search(r"(?:src|href)=[\"']?(?:\w+:)?//", tag)]


def test_broken_links_fail_the_build(tmp_path: Path) -> None:
    shutil.copytree(PAGES.parent, tmp_path / "docs")
    with (tmp_path / "docs" / "pages" / "index.md").open("a") as index:
        index.write("\n[no such page](extrct.md), [no such place](extract.md#nowhere)\n")
    done = build(tmp_path / "docs" / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    assert "extrct.md" in done.stderr
    assert "#nowhere" in done.stderr
