"""One small picture of each of some videos, for a page.

In: videos, by URIs that can be read. Out: thumbnails by id; a video that gives none is left out, whatever the reason.

Files are not trusted here either: they are decoded by processes that guard themselves against what takes too long or
too much (`cluster.task_guard`), and that may die. All together take no longer than `TOTAL_SECONDS`.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue

from cluster.remote_video import open_video
from cluster.task_guard import LimitExceededError, TaskGuard
from extractors.thumbnail import Thumbnail, video_thumbnail
from schemas.videos import Video

PROCESSES = 2
VIDEO_SECONDS = 15.0
VIDEO_BYTES = 1 << 30
ANSWER_SECONDS = 60.0  # twice `VIDEO_SECONDS`, when the guard ends the process, and a start
TOTAL_SECONDS = 180.0


def thumbnails_of(videos: Iterable[Video], *, total_seconds: float = TOTAL_SECONDS) -> dict[str, Thumbnail]:
    """See above."""
    waiting: SimpleQueue[Video] = SimpleQueue()
    for video in videos:
        waiting.put(video)
    if waiting.empty():
        return {}
    found: dict[str, Thumbnail] = {}
    deadline = time.monotonic() + total_seconds

    def serve() -> None:
        while not waiting.empty() and time.monotonic() < deadline:
            with _decoder() as decoder:
                try:
                    for video in iter(waiting.get_nowait, None):
                        decoder.send(video)
                        if not decoder.poll(max(min(ANSWER_SECONDS, deadline - time.monotonic()), 0)):
                            break
                        thumbnail = decoder.recv()
                        if thumbnail is not None:
                            found[video.id] = thumbnail
                except (Empty, EOFError, OSError):  # nothing is left, or the process has died
                    continue

    with ThreadPoolExecutor(PROCESSES) as pool:
        for served in [pool.submit(serve) for _ in range(PROCESSES)]:
            served.result()
    return found


@contextmanager
def _decoder() -> Iterator[Connection]:
    """A process that answers each video with a thumbnail or None."""
    context = multiprocessing.get_context("spawn")  # a fork would inherit the locks of this process's threads
    here, there = context.Pipe()
    process = context.Process(target=_decode, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        process.kill()
        process.join()
        here.close()


def _decode(parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this process
    while True:
        try:
            video: Video = parent.recv()
        except EOFError:
            return
        thumbnail: Thumbnail | None = None
        anything = (Exception, LimitExceededError)  # that the picture is missing says enough
        with suppress(*anything), TaskGuard(VIDEO_BYTES, VIDEO_SECONDS), open_video(video.uri) as source:
            thumbnail = video_thumbnail(source, video.start_seconds, video.end_seconds)
        parent.send(thumbnail)
