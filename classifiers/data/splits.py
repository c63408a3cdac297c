"""Splits into training, validation and test: by a hash of the video id, or by a column.

In: N ids or N column values. Out: a mask (N,) for each split.

The hash depends on the id and the seed alone, so that a video keeps its split when the data grow, on any machine. It is
64 bits of BLAKE2b, the fastest hash in Python with a seed and independent bits: about a million ids per second per
core.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError, examples
from schemas.trainings import SPLITS, TEST, TRAINING, VALIDATION

# Names of the splits in manifests and folders.
SPLIT_NAMES = {
    "train": TRAINING,
    "training": TRAINING,
    "validation": VALIDATION,
    "validate": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "test": TEST,
    "testing": TEST,
}


class SplitError(InputError, ValueError):
    """Unusable splits; the message gives the reason and the remedy."""


@dataclass(frozen=True, kw_only=True)
class HashSplit:
    """A split by a hash of the id; the sizes are fractions that add up to 1."""

    training: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fractions."""
        fractions = [getattr(self, name) for name in SPLITS]
        if any(not 0 <= fraction <= 1 for fraction in fractions) or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
            raise SplitError(f"fractions must be between 0 and 1 and add up to 1, not {fractions}")


def hash_ids(ids: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """Hashes (N,) of ids and the seed."""
    salt = seed.to_bytes(8, "little", signed=True)
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(name.encode(), digest_size=8, salt=salt).digest() for name in ids])
    return np.frombuffer(digests, "<u8").astype(np.uint64, copy=False)


def split_by_hash(ids: Iterable[str], split: HashSplit) -> dict[str, NDArray[np.bool_]]:
    """A mask (N,) for each of the three splits."""
    # 53 bits, so that the quotient is exact in float64 and below 1.
    position = (hash_ids(ids, split.seed) >> np.uint64(11)) / float(1 << 53)
    first, second = split.training, split.training + split.validation
    # If the fractions add up to 0.999…, the last split that is not empty takes the rest.
    if split.test == 0:
        second = 1.0
        if split.validation == 0:
            first = 1.0
    return {
        TRAINING: position < first,
        VALIDATION: (first <= position) & (position < second),
        TEST: second <= position,
    }


def split_by_column(values: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """A mask (N,) for each split, from the values of a column; videos with an empty value are in no split.

    Raises:
        SplitError: for unknown names of splits.
    """
    unique, inverse = np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)
    names = [SPLIT_NAMES.get(str(value).strip().lower(), "") for value in unique]
    unknown = [str(value) for value, name in zip(unique, names, strict=True) if not name and str(value).strip()]
    if unknown:
        raise SplitError(
            f"the column has unknown names of splits: {examples(unknown)} (known: {', '.join(SPLIT_NAMES)})"
        )
    split_of_row = np.asarray(names, dtype=np.str_)[inverse]
    return {split: split_of_row == split for split in SPLITS}


def check_disjoint(splits: Mapping[str, Sequence[str]]) -> None:
    """Check that no id is in two splits, or twice in one.

    Raises:
        SplitError: with the number of such ids and some examples.
    """
    problems = []
    split_of: dict[str, str] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for split, ids in splits.items():
        for name in ids:
            first = split_of.setdefault(name, split)
            if first is not split:
                shared.setdefault((first, split), []).append(name)
        unique = set(ids)
        if len(unique) < len(ids):
            problems.append(f"{len(ids) - len(unique)} ids of {split} are repeated")
    for (first, second), names in shared.items():
        problems.append(f"{len(set(names))} ids are in both {first} and {second}: {examples(sorted(set(names)))}")
    if problems:
        raise SplitError("splits overlap, which would invalidate the evaluation:\n" + "\n".join(problems))


def check_not_empty(splits: Mapping[str, NDArray[np.bool_]], needed: Collection[str], advice: str) -> None:
    """Check that each of the `needed` splits has a video; otherwise raise `SplitError`, ending with `advice`."""
    empty = [name for name in splits if name in needed and not splits[name].any()]
    if empty:
        sizes = ", ".join(f"{name} {int(mask.sum())}" for name, mask in splits.items())
        raise SplitError(f"no video is left for {', '.join(empty)} ({sizes}): {advice}")
