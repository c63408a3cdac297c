"""Stages: what a worker does with a video, and the networks that it needs for that.

A stage is a picklable callable that knows no engine. Its networks are beside it, or are proxies of others in a pool
(`cluster.engines.network_pool`), which makes no difference to its results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from extractors.embedders import EmbedRows
from extractors.segments import Segment
from extractors.video.media import Source
from schemas.videos import Video


class Network(Protocol):
    """Prepared rows, as they come, to vectors. Cheap to make; `setup` loads it, once per process.

    variant     which of several it is, once it is loaded: preparing a row may depend on it
    chunk_rows  rows that travel together to another process
    """

    variant: str
    chunk_rows: int

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
        """Vectors (N, D) of N prepared rows; a row's does not depend on the others."""
        ...

    @staticmethod
    def pack(rows: list[Any]) -> Any:
        """A chunk of prepared rows as NumPy arrays, which Ray moves without copying."""
        ...

    @staticmethod
    def unpack(chunk: Any) -> list[Any]:
        """The rows of a chunk."""
        ...

    def proxy(self, embed: EmbedRows, variant: str) -> Self:
        """What takes its place in a stage while it runs in other processes, as `variant`.

        `embed` has prepared rows embedded there. A proxy needs no `setup`, and pickles without weights.
        """
        ...


class VideoStage(Protocol):
    """What is done with a video. Cheap to make and to pickle."""

    @property
    def result_type(self) -> type[Any]:
        """Of what it makes of a segment: a dataclass that `cluster.engines.wire` can pack."""
        ...

    @property
    def networks(self) -> Mapping[str, Network]:
        """By names of its own."""
        ...

    def with_networks(self, networks: Mapping[str, Any]) -> Self:
        """The same stage with other networks in their place, by the same names."""
        ...

    def setup(self) -> None:
        """Load the networks, once per process."""
        ...

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Any, list[Segment]]:
        """The features of a segment, and the segments that follow from it.

        Of `segment`; without one, of the first, whose others are the remaining segments. A stage that remembers what it
        has seen gives the next segment alone, with its state, after each but the last.

        Raises `VideoError` for a file that cannot be read or has no frames.
        """
        ...


class NetworklessStage:
    """The part of a `VideoStage` that is the same for all that need no network."""

    @property
    def networks(self) -> Mapping[str, Network]:
        """None."""
        return {}

    def with_networks(self, networks: Mapping[str, Any]) -> Self:
        """The same stage."""
        return self

    def setup(self) -> None:
        """Do nothing: there is nothing to load."""
