"""Thumbnails of videos for reports, decoded in child processes (`python -m cluster.clips.thumbnails`).

In: videos, by URIs that can be read. Out: thumbnails by id; a video that gives none is left out, whatever the reason.

Files are not trusted: their decoders are guarded (`cluster.engines.task_guard`) and supervised
(`cluster.engines.guarded_processes`). All videos together take no longer than `TOTAL_SECONDS`, and no picture more than
`MAX_JPEG_BYTES`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from fractions import Fraction
from types import MappingProxyType

from cluster.engines.guarded_processes import GuardedProcesses, Request, Response, serve
from cluster.engines.task_guard import GUARD_SECONDS, LimitExceededError, TaskGuard
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.video_source import open_video
from extractors.video.thumbnail import Thumbnail, video_thumbnail
from schemas.videos import Video, seconds_text

DECODER = "cluster.clips.thumbnails"
PROCESSES = 2
VIDEO_SECONDS = 15.0
VIDEO_BYTES = 1 << 30
TOTAL_SECONDS = 180.0
MAX_JPEG_BYTES = 1 << 16  # noise of 224 x 224 pixels takes half of it


def thumbnails_of(
    videos: Iterable[Video],
    policy: ReadPolicy = STRICT,
    *,
    is_blurred: bool = False,
    at_seconds: Mapping[str, float] = MappingProxyType({}),
    total_seconds: float = TOTAL_SECONDS,
    give_up_after: int | None = None,
) -> dict[str, Thumbnail]:
    """Thumbnails by id, of as many videos as `total_seconds` allow; none where the first `give_up_after` give none.

    `at_seconds` are moments after the first frame, by id, of videos that are not shown after a third of them.
    """
    requests = [_request(video, policy, at_seconds.get(video.id), is_blurred=is_blurred) for video in videos]
    failures = 0
    found: dict[str, Thumbnail] = {}
    processes: GuardedProcesses[str] = GuardedProcesses(DECODER, min(PROCESSES, len(requests)), is_silent=True)
    with closing(processes):
        for name, outcome in processes.outcomes(requests, total_seconds):
            seconds = outcome.header.get("seconds") if isinstance(outcome, Response) else None
            if isinstance(outcome, Response) and isinstance(seconds, float):
                found[name] = Thumbnail(seconds, bytes(outcome.payload))
            else:
                failures += 1
            if give_up_after is not None and not found and failures >= give_up_after:
                break
    return found


def _request(video: Video, policy: ReadPolicy, at_seconds: float | None, *, is_blurred: bool) -> Request[str]:
    start, end = (None if one is None else seconds_text(one) for one in (video.start_seconds, video.end_seconds))
    content = json.dumps([video.uri, start, end, at_seconds, asdict(policy), is_blurred]).encode()
    return Request(video.id, content, VIDEO_SECONDS + GUARD_SECONDS, MAX_JPEG_BYTES)


def answer(request: bytes) -> Response:
    """The thumbnail of a video, or an empty response."""
    uri, start, end, at, allowed, is_blurred = json.loads(request)
    failures = (Exception, LimitExceededError)  # no reason is given: the report shows that the picture is missing
    guard, policy = TaskGuard(VIDEO_BYTES, VIDEO_SECONDS), ReadPolicy(**allowed)
    with suppress(*failures), guard, open_video(uri, policy=policy, reads_all=False) as source:
        last, moment = (None if one is None else Fraction(one) for one in (end, at))
        thumbnail = video_thumbnail(source, Fraction(start), last, at_seconds=moment, is_blurred=is_blurred)
        return Response({"seconds": thumbnail.seconds}, thumbnail.jpeg)
    return Response({})


if __name__ == "__main__":
    serve(answer)
