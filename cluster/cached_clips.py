"""Clips from a cache in place of videos, for the one that asks `ClipDecoders`.

What a cache lacks is not decoded here: its pixels, which JPEG has not changed, would be others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np
from numpy.typing import NDArray

from cluster.clip_cache import ClipCache, ClipCacheError
from cluster.clip_decoder import ClipTask


class CachedClips:
    """Reads clips of a cache that has been filled."""

    def __init__(self, cache: ClipCache) -> None:
        self._cache = cache

    def decode(self, tasks: Iterable[ClipTask]) -> Generator[NDArray[np.uint8], None, None]:
        """The clip of each task, (T, H, W, 3), in their order."""
        index = self._cache.index()
        for task in tasks:
            cached = index.get(task.video.id)
            if cached is None:
                raise ClipCacheError(
                    f"{self._cache.root} has no clip of {task.video.id!r} any more: remove state/lost.json in the "
                    "output, for all videos to be looked at again"
                )
            yield self._cache.clips(cached, view=0)[0]
