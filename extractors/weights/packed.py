"""Weights of any format, converted once into a .safetensors file in the cache, which all processes map into memory.

So a driver converts weights once, and its workers read one format and share the pages of one file. The name of the file
is the sha256 of the original, or the seed of random weights: these are packed, too, since drawing them takes seconds,
and a PCA's depend on the linear algebra library. torch is imported only to convert.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from extractors.weights.resolve import ResolvedWeights, default_cache_dir


def pack_weights(weights: ResolvedWeights, cache_dir: Path | None = None) -> ResolvedWeights:
    """The same weights in one .safetensors file in the cache; their hash remains that of the original.

    Raises:
        WeightsError: if they cannot be used.
    """
    folder = (cache_dir or default_cache_dir()) / "packed"
    name = f"random-{weights.seed}" if weights.is_random else weights.sha256[:32]
    path = folder / f"{weights.kind}-{name}.safetensors"
    if not path.exists():
        from extractors.weights.pretrained import write_packed

        with written_whole(path) as part:
            write_packed(weights, part)
    return dataclasses.replace(weights, path=str(path))


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` at the end, once it is on disk; none is left where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
