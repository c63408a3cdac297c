"""Label shards with events: tables of given events, and label datasets that hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.datasets.row_dataset import FINGERPRINT_KEY
from schemas.timelines import TIMELINE_LABEL_SCHEMA

Events = Sequence[tuple[float, float, str, float]]  # start, end, class, score
DAY = "2026-03-01"


def events_table(events: Mapping[str, Events], manner: str = "a") -> pa.Table:
    """A label table of videos with these events; `manner` stands for the model and its options."""
    names = sorted({event[2] for those in events.values() for event in those})
    rows = [
        {
            "id": name,
            "labels": [],
            "model": "model",
            "run_id": "run",
            "scored_at": datetime(2026, 3, 1, tzinfo=UTC),
            "timeline": [],
            "events": [
                {"start": start, "end": end, "index": names.index(label), "name": label, "score": score}
                for start, end, label, score in those
            ],
        }
        for name, those in events.items()
    ]
    metadata = {FINGERPRINT_KEY: json.dumps({"manner": manner})}
    return pa.Table.from_pylist(rows, TIMELINE_LABEL_SCHEMA.with_metadata(metadata))


def write_labels(folder: Path, *tables: pa.Table, day: str = DAY) -> str:
    """A label dataset whose shards of that day hold these tables; returns its folder."""
    place = folder / f"date={day}"
    place.mkdir(parents=True, exist_ok=True)
    for number, table in enumerate(tables):
        pq.write_table(table, place / f"part-run-{number:05}.parquet")
    return str(folder)
