"""Weights of any format, converted once into a .safetensors file in the cache, which all processes map into memory.

So a driver converts weights once, and its workers read one format and share the pages of one file. The name of the file
has the sha256 of the original, or the seed of random weights: these are packed, too, since drawing them takes seconds,
and a PCA's depend on the linear algebra library. torch is imported only to convert.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from extractors.weights.content import WeightsError
from extractors.weights.resolve import ResolvedWeights, default_cache_dir
from extractors.weights.whole_file import written_whole

PACKED_VERSION = "1"  # incremented whenever the same file is converted otherwise


def pack_weights(
    weights: ResolvedWeights, cache_dir: Path | None = None, *, is_dry_run: bool = False
) -> ResolvedWeights:
    """The same weights in one .safetensors file in the cache; their hash remains that of the original.

    A dry run writes none: its weights are only checked, unless the file is there.

    Raises:
        WeightsError: if they cannot be used, or the file cannot be written.
    """
    folder = (cache_dir or default_cache_dir()) / "packed"
    name = f"random-{weights.seed}" if weights.is_random else weights.sha256[:32]
    path = folder / f"{weights.kind}-{name}-{PACKED_VERSION}.safetensors"
    if not os.path.exists(path):  # nor in a folder that is closed to us
        from extractors.weights.pretrained import build_network, write_packed

        if is_dry_run:
            if not weights.is_random:
                build_network(weights)
            return weights
        from safetensors import SafetensorError

        try:
            with written_whole(path) as part:
                write_packed(weights, part)
        except (OSError, SafetensorError) as error:
            raise WeightsError(
                f"{weights.spec} for {weights.kind} cannot be converted into {folder}: {error}; set FRAMEMILL_CACHE "
                "to a folder that can be written to and has room"
            ) from error
    return dataclasses.replace(weights, path=str(path))
