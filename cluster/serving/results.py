"""The results of a video for a client, one of each model: labels, a transcript (`transcripts`), or why there is none.

In: the labels of a video by a classifier. Out: `LabelResult`, the bytes of the shard that `jobs/score_videos.py` would
write, with one row, whose id is that of the request; and from it JSON, WebVTT, CSV.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.scoring.label_writer import LabelWriter, VideoLabels
from cluster.serving.models import ServedClassifier
from cluster.serving.transcripts import TranscriptResult
from cluster.timelines.event_csv import event_lines
from cluster.timelines.webvtt import vtt_text
from schemas.labels import LabelStamp
from schemas.timelines import EventRules, video_events
from schemas.videos import content_of


@dataclass(frozen=True)
class LabelResult:
    """The label shard of one video by one model."""

    model: str
    shard: bytes

    @cached_property
    def table(self) -> pa.Table:
        """The shard's only row."""
        return pq.read_table(io.BytesIO(self.shard))

    @property
    def files(self) -> Mapping[str, Callable[[], bytes]]:
        """Its bytes in every form, by the names of files."""
        return {"results.parquet": lambda: self.shard, "events.csv": self.csv, "events.vtt": self.vtt}

    def plain(self, names: Mapping[int, str]) -> dict[str, Any]:
        """As JSON knows it; `names` are those of the classes by their index."""
        (row,) = self.table.to_pylist()
        timeline: list[dict[str, Any]] = []
        for step in row["timeline"]:
            if not timeline or timeline[-1]["seconds"] != step["seconds"]:
                timeline.append({"seconds": step["seconds"], "top": []})
            index, score = step["index"], step["score"]
            timeline[-1]["top"].append({"index": index, "name": names[index], "score": score})
        return {"model": self.model, "labels": row["labels"], "timeline": timeline, "events": row["events"]}

    def vtt(self) -> bytes:
        """Its events as subtitles."""
        (video,) = video_events(self.table)
        return vtt_text(video).encode()

    def csv(self) -> bytes:
        """Its events for label tools."""
        return event_lines([self.table])


def result_of(
    labels: VideoLabels, model: ServedClassifier, *, threshold: float, rules: EventRules, run_id: str
) -> LabelResult:
    """The result that goes with the labels of a video."""
    writer = LabelWriter(
        config=model.trained.config,
        threshold=threshold,
        stamp=LabelStamp(model.trained.name, run_id, datetime.now(UTC)),
        metadata={},
        rules=rules,
    )
    assert labels.timeline is not None
    portion = writer.portion(
        0,
        pa.array([labels.video.id], pa.string()),
        pa.array([content_of(labels.video)], pa.string()),
        labels.places[None],
        labels.scores[None],
        timelines=[labels.timeline],
    )
    assert portion.shard is not None
    return LabelResult(model.name, portion.shard)


@dataclass(frozen=True)
class ModelFailure:
    """Why a model has no result, where others have one: a code, and a message for its owner."""

    files: ClassVar[Mapping[str, Callable[[], bytes]]] = {}

    model: str
    code: str
    message: str


Result = LabelResult | TranscriptResult | ModelFailure
# Of all files of results, by their names.
MEDIA_TYPES: Mapping[str, str] = {
    "results.parquet": "application/vnd.apache.parquet",
    "events.csv": "text/csv; charset=utf-8",
    "events.vtt": "text/vtt; charset=utf-8",
    "subtitles.vtt": "text/vtt; charset=utf-8",
    "subtitles.srt": "application/x-subrip; charset=utf-8",
}
