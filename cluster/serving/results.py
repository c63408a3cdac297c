"""The results of a video for a client: the label shard that `jobs/score_videos.py` would write, and what is made of it.

In: the labels of a video by a model. Out: `VideoResult`, the bytes of a shard with one row, whose id is that of the
request; and from it JSON, WebVTT, CSV.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.scoring.label_writer import LabelWriter, VideoLabels
from cluster.serving.models import ServedModel
from cluster.timelines.event_csv import event_lines
from cluster.timelines.webvtt import vtt_text
from schemas.labels import LabelStamp
from schemas.timelines import EventRules, video_events
from schemas.videos import content_of


@dataclass(frozen=True)
class VideoResult:
    """The label shard of one video by one model."""

    model: str
    shard: bytes

    @cached_property
    def table(self) -> pa.Table:
        """The shard's only row."""
        return pq.read_table(io.BytesIO(self.shard))

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
    labels: VideoLabels, model: ServedModel, *, threshold: float, rules: EventRules, run_id: str
) -> VideoResult:
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
    return VideoResult(model.name, portion.shard)


# By the suffix of the file, its bytes and their type.
FORMS: Mapping[str, tuple[Callable[[VideoResult], bytes], str]] = {
    "parquet": (lambda result: result.shard, "application/vnd.apache.parquet"),
    "csv": (VideoResult.csv, "text/csv; charset=utf-8"),
    "vtt": (VideoResult.vtt, "text/vtt; charset=utf-8"),
}
