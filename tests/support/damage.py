"""Decode damaged copies of a file, in a process of its own that may crash or hang without taking the tests along.

    python -m tests.support.damage PATH COUNT SEED

Each kind of damage is done COUNT times. The last line of the output is JSON: how many copies gave samples, how many a
`VideoError`, and in how many cases selective decoding gave other samples than decoding everything (allowed: what a
decoder makes of broken data is nobody's promise). Anything else ends the process with a traceback.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from extractors.video.decode import Sample, sample_frames
from extractors.video.waveform import Waveform
from schemas.outcomes import FailureCode, VideoError

HEADER_BYTES = 4096
FPS = 2
MAX_SECONDS = 60  # a damaged timestamp can make a picture stay for years


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits: a few anywhere, or some within the headers."""
    damaged = bytearray(data)
    end = min(len(data), HEADER_BYTES) if rng.random() < 0.4 else len(data)
    for _ in range(rng.integers(1, 25)):
        damaged[rng.integers(end)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave out the end, or a piece from the middle."""
    first, second = sorted(rng.integers(1, len(data), 2))
    return data[:first] if rng.random() < 0.5 else data[:first] + data[second:]


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    """Write a piece of the file over another place, or noise."""
    source, target = rng.integers(0, len(data), 2)
    size = int(rng.integers(1, len(data) // 4))
    piece = data[source : source + size] if rng.random() < 0.7 else rng.bytes(min(size, 500))
    return data[:target] + piece + data[target + len(piece) :]


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (flip, cut, splice)


def outcome(data: bytes, *, selective: bool) -> list[Sample] | FailureCode:
    """The samples of `data`, or why there are none; their sound is checked to be sound."""
    waveform = Waveform()
    try:
        samples = list(sample_frames(io.BytesIO(data), FPS, selective, waveform=waveform, end_seconds=MAX_SECONDS))
    except VideoError as error:
        return error.code
    windows = waveform.windows([sample.index for sample in samples])
    assert np.isfinite(windows).all()
    assert np.abs(windows).max(initial=0) <= 1
    assert all(sample.image.ndim == 3 and sample.image.dtype == np.uint8 for sample in samples)
    indices = [sample.index for sample in samples]
    assert indices == sorted(set(indices))
    return samples


def are_same(left: list[Sample], right: list[Sample]) -> bool:
    """Whether both show the same pictures at the same times."""
    return [sample.pts for sample in left] == [sample.pts for sample in right] and all(
        np.array_equal(one.image, other.image) for one, other in zip(left, right, strict=True)
    )


def main(path: Path, count: int, seed: int) -> None:
    """Damage `path` again and again."""
    data = path.read_bytes()
    counts: Counter[str] = Counter()
    for damage in DAMAGES:
        rng = np.random.default_rng(seed)
        for case in range(count):
            print(f"{damage.__name__} {case} of seed {seed}", flush=True)
            damaged = damage(data, rng)
            ways = [outcome(damaged, selective=selective) for selective in (True, False)]
            for way in ways:
                counts["samples" if isinstance(way, list) else str(way)] += 1
            if isinstance(ways[0], list) and isinstance(ways[1], list) and not are_same(ways[0], ways[1]):
                counts["differ"] += 1
            if isinstance(ways[0], list) != isinstance(ways[1], list):
                counts["one way only"] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
