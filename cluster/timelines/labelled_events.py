"""The events in the label shards of a day, by video.

In: a label dataset and a day. Out: `LabelledEvents`, if the labels of the day that have timelines are all of one model
and of the same options; `LabelsError` otherwise, which says how they differ.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.datasets.folder import parquet_files
from cluster.datasets.row_dataset import FAILURES, FINGERPRINT_KEY, LEDGER
from cluster.storage import files
from cluster.storage.parquet import read_columns
from cluster.storage.redaction import redacted_uri
from schemas.errors import InputError, examples
from schemas.records import is_date
from schemas.timelines import EVENTS_SCHEMA, NamedEvent, video_events


class LabelsError(InputError):
    """Labels that have no events, or events of several models."""


@dataclass(frozen=True)
class LabelledEvents:
    """Events of a day by video, in order of the ids, and the fingerprint of their labels.

    without_timelines  the names of label shards of the day that were left out, since they have no timelines
    """

    date: str
    fingerprint: Mapping[str, str]
    videos: Mapping[str, tuple[NamedEvent, ...]]
    without_timelines: tuple[str, ...] = ()


def read_events(labels: str, date: str | None = None) -> LabelledEvents:
    """The events in the label dataset `labels` of a day, by default of the latest one."""
    place = redacted_uri(labels)
    try:
        day = date or max(label_days(labels), default="any day")
        shards = parquet_files(files.join(labels, f"date={day}"))
        if not shards:
            known = examples(sorted(label_days(labels), reverse=True), str)
            raise LabelsError(f"{place} has no labels of {day}" + (f"; days with labels: {known}" if known else ""))
        tables = {posixpath.basename(shard): read_columns(shard, EVENTS_SCHEMA.names) for shard in shards}
    except OSError as error:
        raise LabelsError(f"{place} cannot be read: {error}") from error
    timed = [table for table in tables.values() if table.schema.equals(EVENTS_SCHEMA)]
    if not timed:
        raise LabelsError(f"the labels of {day} in {place} have no events: score the videos with --timeline")
    fingerprint, *others = {(table.schema.metadata or {}).get(FINGERPRINT_KEY.encode(), b"{}") for table in timed}
    if others:
        differences = _differences([json.loads(one) for one in (fingerprint, *others)])
        raise LabelsError(
            f"the labels of {day} in {place} are of several models or options, whose scores cannot be compared: "
            f"they differ in {differences}; score each into a label dataset of its own, or on a day of its own"
        )
    found = {video.id: video.events for table in timed for video in video_events(table)}
    untimed = tuple(name for name, table in tables.items() if not table.schema.equals(EVENTS_SCHEMA))
    return LabelledEvents(day, json.loads(fingerprint), dict(sorted(found.items())), untimed)


def label_days(labels: str) -> set[str]:
    """The days that a label dataset has shards of."""
    others = {uri for folder in (LEDGER, FAILURES) for uri in parquet_files(files.join(labels, folder))}
    folders = {posixpath.basename(posixpath.dirname(uri)) for uri in parquet_files(labels) if uri not in others}
    return {day for folder in folders if is_date(day := folder.removeprefix("date="))}


def _differences(fingerprints: list[dict[str, str]]) -> str:
    keys = sorted({key for one in fingerprints for key in one})
    return ", ".join(key for key in keys if len({one.get(key) for one in fingerprints}) > 1)
