"""Which videos are for training, validation and test: by a hash of the id, by a column, or by folder.

A hash decides from the id and the seed alone, so that a video stays where it is when the data grow, on any machine.
The hash is BLAKE2b, 64 bits of it: of all that Python has it is the fastest that takes a seed and whose bits are
independent; one core does about a million ids a second.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError, examples

# Names that people give to the three parts, in manifests and folders.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "validate": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
SPLITS = ("train", "validation", "test")


class SplitError(InputError, ValueError):
    """Parts that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class HashSplit:
    """Parts by a hash of the id: their sizes as fractions that add up to 1."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse fractions that are none."""
        fractions = [getattr(self, name) for name in SPLITS]
        if any(not 0 <= fraction <= 1 for fraction in fractions) or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
            raise SplitError(f"fractions must lie between 0 and 1 and add up to 1, not {fractions}")


def hash_ids(ids: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """(N,) hashes, each from an id and the seed alone."""
    salt = seed.to_bytes(8, "little", signed=True)
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(name.encode(), digest_size=8, salt=salt).digest() for name in ids])
    return np.frombuffer(digests, "<u8").astype(np.uint64, copy=False)


def split_by_hash(ids: Iterable[str], split: HashSplit) -> dict[str, NDArray[np.bool_]]:
    """A mask (N,) for each of the three parts."""
    # 53 bits, so that the quotient is exact in float64 and below 1.
    position = (hash_ids(ids, split.seed) >> np.uint64(11)) / float(1 << 53)
    first, second = split.train, split.train + split.validation
    # Where fractions add up to 0.999…, the last part that is wanted takes the rest.
    if split.test == 0:
        second = 1.0
        if split.validation == 0:
            first = 1.0
    return {
        "train": position < first,
        "validation": (first <= position) & (position < second),
        "test": second <= position,
    }


def split_by_column(values: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """A mask (N,) for each part, from what a column says; an empty value belongs to no part.

    Raises:
        SplitError: for values that name no part.
    """
    unique, inverse = np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)
    names = [SPLIT_NAMES.get(str(value).strip().lower(), "") for value in unique]
    unknown = [str(value) for value, name in zip(unique, names, strict=True) if not name and str(value).strip()]
    if unknown:
        raise SplitError(
            f"the column names parts that are not known: {examples(unknown)} (known: {', '.join(SPLIT_NAMES)})"
        )
    of_row = np.asarray(names, dtype=np.str_)[inverse]
    return {split: of_row == split for split in SPLITS}


def check_disjoint(parts: Mapping[str, Sequence[str]]) -> None:
    """Make sure that no id is in two parts, nor twice in one.

    Raises:
        SplitError: with how many there are, and some of them.
    """
    problems = []
    seen: dict[str, str] = {}
    twice: dict[tuple[str, str], list[str]] = {}
    for part, ids in parts.items():
        for name in ids:
            before = seen.setdefault(name, part)
            if before is not part:
                twice.setdefault((before, part), []).append(name)
        unique = set(ids)
        if len(unique) < len(ids):
            problems.append(f"{len(ids) - len(unique)} ids of {part} stand there more than once")
    for (first, second), names in twice.items():
        problems.append(f"{len(set(names))} ids are in both {first} and {second}: {examples(sorted(set(names)))}")
    if problems:
        raise SplitError("parts overlap, so that a test would tell nothing:\n" + "\n".join(problems))


def check_not_empty(parts: Mapping[str, NDArray[np.bool_]], needed: Collection[str], advice: str) -> None:
    """Make sure that each of the `needed` parts holds a video. Raises `SplitError`, which ends with the advice."""
    empty = [name for name in parts if name in needed and not parts[name].any()]
    if empty:
        sizes = ", ".join(f"{name} {int(mask.sum())}" for name, mask in parts.items())
        raise SplitError(f"no video is left for {', '.join(empty)} ({sizes}): {advice}")
