"""Every block of every page of the documentation, carried out in order, as a reader does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cluster.storage.files import write_bytes
from tests.support.dataset import ROOT
from tests.support.documentation import PAGES, Reader, blocks
from tests.support.job_server import free_port, running_job_server
from tests.support.lip_trainings import mouths
from tests.support.servers import gs_bucket
from tests.support.talking import write_frames

NAMES = sorted(page.stem for page in PAGES.glob("*.md"))
# Pages that go on from what another one has left, as they say at their top.
AFTER = {
    "train": "extract",
    "label": "train",
    "nightly": "train",
    "api": "train",
    "serve": "train",
    "scale": "extract",
    "streaming": "clips",
}
HEAVY = {"clips", "lips", "nightly", "scale", "serve", "streaming"}  # these take half a minute and more
LINE_CHARACTERS = 86
Follow = Callable[[str], Path]
Surroundings = Iterator[Mapping[str, str]]  # variables of the environment, while the page is followed


def spoken(folder: Path) -> Surroundings:
    """Recordings of three people, with what they say beside them."""
    for speaker, texts in {"ann": ("ab c", "b a"), "ben": ("c ab", "a b"), "eve": ("cab", "bac")}.items():
        for number, text in enumerate(texts):
            path = folder / "recordings" / speaker / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_frames(path, mouths(text, number))
            path.with_suffix(".txt").write_text(f"Text: {text}\n")
    yield {}


def bucket_and_cluster(folder: Path) -> Surroundings:
    """A bucket with the videos of the page before, and a cluster that takes jobs."""
    with gs_bucket() as bucket:
        for path in sorted((folder / "videos").rglob("*.mp4"))[:3]:
            write_bytes(f"{bucket}/videos/{path.name}", path.read_bytes())
        with running_job_server(folder.parent) as environment:
            yield environment


SURROUNDINGS: dict[str, Callable[[Path], Surroundings]] = {"lips": spoken, "scale": bucket_and_cluster}


@pytest.fixture(scope="module")
def follow(tmp_path_factory: pytest.TempPathFactory) -> Follow:
    """Carries out a page, and those that it goes on from, each once; gives its folder."""
    left: dict[str, Path] = {}

    def carry_out(name: str) -> Path:
        if name not in left:
            folder = tmp_path_factory.mktemp(name) / "reader"
            if name in AFTER:
                shutil.copytree(carry_out(AFTER[name]), folder)
            else:
                folder.mkdir()
            with ExitStack() as stack:
                environment: Mapping[str, str] = {}
                if name in SURROUNDINGS:
                    environment = stack.enter_context(contextmanager(SURROUNDINGS[name])(folder))
                Reader(folder, environment, {"8000": str(free_port())}).follow(PAGES / f"{name}.md")
            left[name] = folder
        return left[name]

    return carry_out


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.heavy] if name in HEAVY else []) for name in NAMES]
)
@pytest.mark.timeout(3600)
def test_every_block_of_a_page_works(name: str, follow: Follow) -> None:
    follow(name)


def test_lines_of_blocks_fit_on_the_site() -> None:
    """Between its menus, in a window 1,280 pixels wide."""
    shown = [block.text + (block.printed or "") for page in PAGES.glob("*.md") for block in blocks(page)]
    assert not [line for text in shown for line in text.splitlines() if len(line) > LINE_CHARACTERS]


def test_examples_of_the_readme_are_those_of_a_page() -> None:
    """There they are carried out, after what they need."""
    shown = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    carried_out = {block.text for page in PAGES.glob("*.md") for block in blocks(page)}
    assert set(shown) <= carried_out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```sh\nframemill lable\n```", "no command 'lable'"),
        ("```sh\nfalse\necho went on\n```", "exit code 1"),
        ("```python\nimport framemill\n```\n\n```python\nframemill.smaple\n```", "no attribute 'smaple'"),
        ("```sh\necho 4 videos\n```\n\n```text\n5 videos\n```", "not\n\n4 videos"),
        ("```console\n$ ls\n```", "```console"),
        ("- in a list\n\n    ```sh\n    false\n    ```", "a fence"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(text: str, told: str, tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text(f"# Wrong\n\n{text}\n")
    (tmp_path / "reader").mkdir()
    with pytest.raises(AssertionError) as caught:
        Reader(tmp_path / "reader", {}, {}).follow(page)
    assert told in str(caught.value)


def test_output_may_leave_things_out(tmp_path: Path) -> None:
    page = tmp_path / "right.md"
    page.write_text("```sh\necho 4 videos in 3.2 s; sleep 600 &\n```\n\n```text\n4 videos in … s\n```\n")
    (tmp_path / "reader").mkdir()
    Reader(tmp_path / "reader", {}, {}).follow(page)
