"""Records of extraction runs with known numbers."""

from __future__ import annotations

import base64
import dataclasses

import av
import numpy as np

from schemas.records import Machine
from schemas.runs import ContactPicture, Counts, DurationHistogram, FailureNote, RunRecord, SlowVideo, ThroughputPoint


def jpeg_base64() -> str:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 32, 24, "yuvj420p"
    frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), 90, dtype=np.uint8), format="rgb24")
    packets = encoder.encode(frame.reformat(format="yuvj420p")) + encoder.encode(None)
    return base64.b64encode(b"".join(bytes(packet) for packet in packets)).decode()


def failure(name: str, code: str = "not_media") -> FailureNote:
    return FailureNote(id=name, uri=f"in/{name}", stage="decode", code=code, message="no index found", attempts=1)


EMPTY = RunRecord(
    run_id="nothing-to-do",
    job="extract_features",
    status="completed",
    started_at="2025-01-31T06:00:00Z",
    finished_at="2025-01-31T06:00:00Z",
    command=(),
    configuration={},
    versions={},
    fingerprint={},
    machine=Machine(engine="local", nodes=1, cpus=1, gpus=0),
    counts=Counts(
        videos_total=0,
        already_done=0,
        extracted=0,
        failed=0,
        retried=0,
        frames=0,
        decoded_seconds=0.0,
        bytes_read=0,
        bytes_written=0,
        shards=0,
    ),
    failures_by_code={},
    failures=(),
    seconds_by_stage={},
    throughput=(),
    durations=DurationHistogram.from_seconds([]),
    slowest=(),
    contact_sheet=(),
    weights_warning=None,
)
SMALL = dataclasses.replace(
    EMPTY,
    run_id="small",
    finished_at="2025-01-31T06:00:20Z",
    command=("python", "jobs/extract_features.py", "--input", "my videos", "--output", "out"),
    configuration={"input": "my videos", "fps": 1, "retry_failed": None, "codes": ["a", "b"]},
    versions={"python": "3.11.7"},
    fingerprint={"weights": "random:0"},
    counts=dataclasses.replace(
        EMPTY.counts,
        videos_total=24,
        extracted=20,
        already_done=1,
        failed=3,
        frames=160,
        decoded_seconds=158.5,
        shards=1,
    ),
    failures_by_code={"not_media": 2, "time_limit": 1},
    failures=(failure("a"), failure("b"), failure("c", "time_limit")),
    seconds_by_stage={"decode": 7.5, "embed": 22.5},
    throughput=tuple(ThroughputPoint(seconds=2.0 * i, videos=2 * i, frames=16 * i) for i in range(11)),
    durations=DurationHistogram.from_seconds([4.0] * 5 + [7.0] * 15),
    slowest=(SlowVideo(id="d", seconds=2.0, frames=9),),
    contact_sheet=(ContactPicture(id="d", seconds=3.0, jpeg_base64=jpeg_base64()),),
    weights_warning="These features come from random weights.",
)
