"""Previews of lip reading for reports, made in child processes (`python -m cluster.clips.previews`).

In: `MouthTask`s. Out: the bytes of an animation (`extractors.faces.preview`) for each; a video that gives none is left
out, whatever the reason. All together take no longer than they may.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from cluster.clips.guarded_decode import guarded_decode, response_of
from cluster.clips.mouth_decoder import MouthTask, decode_mouth, finder
from cluster.engines.guarded_processes import GuardedProcesses, Request, Response, serve
from cluster.engines.task_guard import GUARD_SECONDS
from extractors.faces.preview import MAX_BYTES, lip_preview
from extractors.video.media import Source
from schemas import strict_json

DECODER = "cluster.clips.previews"


def previews_of(tasks: Iterable[MouthTask], count: int, *, total_seconds: float) -> dict[str, bytes]:
    """Previews by the ids of videos, of as many as `total_seconds` allow, the first ones first, `count` at a time."""
    requests = [Request(task.video.id, task.encoded(), task.time_seconds + GUARD_SECONDS, MAX_BYTES) for task in tasks]
    found: dict[str, bytes] = {}
    processes: GuardedProcesses[str] = GuardedProcesses(DECODER, min(count, len(requests)))
    with closing(processes):
        for name, outcome in processes.outcomes(requests, total_seconds):
            if isinstance(outcome, Response) and not outcome.header:
                found[name] = bytes(outcome.payload)
    return found


def encode(task: MouthTask) -> NDArray[np.uint8]:
    """The bytes of the preview. Raises `VideoError` for any problem with the video."""

    def preview_of(source: Source) -> NDArray[np.uint8]:
        return np.frombuffer(lip_preview(decode_mouth(source, task), task.look), np.uint8)

    return guarded_decode(preview_of, task)


def answer(request: bytes) -> Response:
    """The preview of a mouth, or why there is none."""
    return response_of(lambda: encode(strict_json.load(MouthTask, request.decode(), "mouth task", schema_version=1)))


if __name__ == "__main__":
    finder()  # its networks are no task's memory
    serve(answer)
