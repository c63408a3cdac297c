"""The gaps of videos, as feature shards and our records hold them: intervals without frames.

Out: for each video, pairs of seconds after its first frame (`schemas.features.FeatureRow.gaps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from cluster.features.files import FeatureFileError
from cluster.features.tfrecord_files import EXTRA
from schemas.strict_json import parse

MAX_SECONDS = 1e9  # 30 years

Gap = tuple[float, float]


def gaps_of_column(column: pa.Array, uri: str) -> list[list[Gap]]:
    """The gaps of the rows of a shard."""
    place = f"{uri}: column gaps"
    try:
        rows = [[(gap["start_seconds"], gap["end_seconds"]) for gap in row] for row in column.to_pylist()]
    except (TypeError, KeyError) as error:
        raise FeatureFileError(f"{place} is {column.type} with values that are no gaps ({error})") from error
    return _checked(rows, place)


def gaps_of_records(extras: Sequence[str], uri: str) -> list[list[Gap]]:
    """The gaps of records, given what they say of their videos; records that we did not write have none."""
    place = f"{uri}: {EXTRA}"
    try:
        rows = [parse(text)["gaps"] if text else [] for text in extras]
    except (ValueError, TypeError, LookupError) as error:
        raise FeatureFileError(f"{place} cannot be read: {error}") from error
    return _checked(rows, place)


def _checked(rows: Iterable[Iterable[Any]], place: str) -> list[list[Gap]]:
    try:
        found = [[(float(start), float(end)) for start, end in row] for row in rows]
    except (TypeError, ValueError) as error:
        raise FeatureFileError(f"{place} has gaps that are no pairs of seconds: {error}") from error
    wrong = [gap for row in found for gap in row if not all(abs(seconds) < MAX_SECONDS for seconds in gap)]
    if wrong:
        raise FeatureFileError(f"{place} has a gap from {wrong[0][0]:g} to {wrong[0][1]:g} s, which are no times")
    return found
