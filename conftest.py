"""Examples in the docstrings of `framemill` are tests; names such as `video` in them are fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.doctest import DoctestItem, DoctestModule

PACKAGE = Path(__file__).parent / "framemill"
NAMES = ("checkpoint", "features", "output", "video", "videos")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The examples of a file of the package; `--doctest-modules` finds them as well."""
    is_ours = PACKAGE in file_path.parents and file_path.suffix == ".py"
    if not is_ours or parent.config.option.doctestmodules:
        return None
    return DoctestModule.from_parent(parent, path=file_path)


@pytest.fixture(autouse=True)
def examples(request: pytest.FixtureRequest) -> None:
    """What an example works on."""
    if isinstance(request.node, DoctestItem):
        source = "".join(example.source for example in request.node.dtest.examples)
        for name in NAMES:
            if name in source:
                request.node.dtest.globs[name] = request.getfixturevalue(f"example_{name}")


@pytest.fixture(scope="session")
def example_videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two videos of two seconds."""
    from tests.support.videos import Clip, write_video

    folder = tmp_path_factory.mktemp("examples")
    clip = Clip(width=48, height=36, frames=50, sound="aac", sound_seconds=2)
    return [str(write_video(folder / f"{name}.mp4", clip)) for name in "ab"]


@pytest.fixture(scope="session")
def example_video(example_videos: list[str]) -> str:
    """One of them."""
    return example_videos[0]


@pytest.fixture
def example_output(tmp_path: Path) -> str:
    """An empty place."""
    return str(tmp_path / "features")


@pytest.fixture(scope="session")
def example_features(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset of three videos, with frame features."""
    from tests.support.features import feature_row, write_shard

    folder = tmp_path_factory.mktemp("dataset")
    write_shard(folder / "features" / "part.parquet", [feature_row(row, frames=2, dim=1024) for row in range(3)])
    return str(folder)


@pytest.fixture(scope="session")
def example_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A classifier of its means."""
    from tests.support.checkpoints import trained, write_trained

    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained(rgb_dim=1024))
