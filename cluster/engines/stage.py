"""Stages: what a worker does with a video, and the networks that it needs for that.

A stage is a picklable callable that knows no engine. Its networks are beside it, or stand for others in a pool
(`cluster.engines.network_pool`): it cannot tell the difference, and neither can what it makes of a video.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from extractors.segments import Segment
from extractors.video.media import Source
from schemas.videos import Video


class Network(Protocol):
    """Prepared rows, as they come, to vectors. Cheap to make; `setup` loads it, once per process."""

    variant: str  # which of several it is, once it is loaded: what preparing a row may depend on

    @property
    def dim(self) -> int:
        """Width D of a vector."""
        ...

    def setup(self) -> None:
        """Load the network."""
        ...

    def files(self) -> list[str]:
        """Paths of the files that `setup` reads."""
        ...

    def embed_prepared(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """Vectors (N, D) of N prepared rows; what a row gives does not depend on the others."""
        ...


class VideoStage(Protocol):
    """What is done with a video. Cheap to make and to pickle."""

    @property
    def networks(self) -> Mapping[str, Network]:
        """By names of the stage's own."""
        ...

    def with_networks(self, networks: Mapping[str, Any]) -> Self:
        """The same stage with others in their place, by the same names."""
        ...

    def setup(self) -> None:
        """Load the networks, once per process."""
        ...

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Any, list[Segment]]:
        """What it makes of `segment`, and the video's other segments; without one, of the first.

        Raises `VideoError` for a file that cannot be read or shows nothing.
        """
        ...
