"""Outcomes as files, for engines whose workers cannot answer the driver directly. Nothing in them is ever executed.

A file is a NumPy archive without pickles: one JSON text describes the outcomes, one entry holds each array.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from cluster.engines.tasks import Done, Failed, Outcome, Task
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from extractors.video.thumbnail import Thumbnail
from schemas.outcomes import FailureCode

ARRAYS = ("rgb_sum", "audio_sum", "rgb", "audio")
PLAIN = (
    "num_frames",
    "missing_frames",
    "gaps",
    "ends_early",
    "fps",
    "duration_seconds",
    "video_seconds",
    "has_audio",
    "seconds_by_stage",
    "size_bytes",
)


def write_outcomes(outcomes: Iterable[tuple[int, Outcome]]) -> bytes:
    """Outcomes, each with the number of its task, as the content of a file."""
    arrays: dict[str, Any] = {}
    described = []
    for number, outcome in outcomes:
        if isinstance(outcome, Failed):
            described.append({"task": number, "code": outcome.code, "message": outcome.message, "stage": outcome.stage})
            continue
        features = outcome.features
        kept = {name: getattr(features, name) for name in ARRAYS if getattr(features, name) is not None}
        arrays |= {f"{number}.{name}": array for name, array in kept.items()}
        thumbnail = features.thumbnail
        described.append(
            {
                "task": number,
                "segment": asdict(features.segment),
                "others": [asdict(segment) for segment in outcome.others],
                "arrays": sorted(kept),
                "thumbnail": thumbnail and [thumbnail.seconds, base64.b64encode(thumbnail.jpeg).decode()],
                **{name: getattr(features, name) for name in PLAIN},
            }
        )
    buffer = io.BytesIO()
    np.savez(buffer, described=np.array(json.dumps(described)), **arrays)
    return buffer.getvalue()


def read_outcomes(content: bytes, tasks: Mapping[int, Task]) -> list[Outcome]:
    """What `write_outcomes` wrote; `tasks` by their numbers."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        described = json.loads(str(archive["described"]))
        return [_outcome(entry, archive, tasks[entry["task"]]) for entry in described]


def _outcome(entry: dict[str, Any], archive: Mapping[str, Any], task: Task) -> Outcome:
    if "code" in entry:
        return Failed(task, FailureCode(entry["code"]), entry["message"], entry["stage"])
    picture = entry["thumbnail"]
    fields: dict[str, Any] = {
        "segment": Segment(**entry["segment"]),
        "thumbnail": Thumbnail(picture[0], base64.b64decode(picture[1])) if picture else None,
        **{name: archive[f"{entry['task']}.{name}"] if name in entry["arrays"] else None for name in ARRAYS},
        **{name: entry[name] for name in PLAIN},
    }
    fields["gaps"] = tuple((start, end) for start, end in fields["gaps"])
    features = SegmentFeatures(**fields)
    return Done(task, features, tuple(Segment(**segment) for segment in entry["others"]))
