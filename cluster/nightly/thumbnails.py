"""One small picture of each of some videos, for a page.

In: videos, by URIs that can be read. Out: thumbnails by id; a video that gives none is left out, whatever the reason.

Files are not trusted here either: they are decoded by processes that guard themselves against what takes too long or
too much (`cluster.engines.task_guard`), and that may die. All together take no longer than `TOTAL_SECONDS`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from struct import Struct

from cluster.engines.task_guard import LimitExceededError, TaskGuard
from cluster.storage.video_source import open_video
from extractors.video.thumbnail import Thumbnail, video_thumbnail
from schemas.videos import Video

ROOT = str(Path(__file__).resolve().parents[2])
PROCESSES = 2
VIDEO_SECONDS = 15.0
VIDEO_BYTES = 1 << 30
ANSWER_SECONDS = 60.0  # twice `VIDEO_SECONDS`, when the guard ends the process, and a start
TOTAL_SECONDS = 180.0
MAX_ANSWER_BYTES = 1 << 20
SECONDS = Struct("<d")


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
                        question = [video.uri, video.start_seconds, video.end_seconds]
                        decoder.send_bytes(json.dumps(question).encode())
                        if not decoder.poll(max(min(ANSWER_SECONDS, deadline - time.monotonic()), 0)):
                            break
                        content = decoder.recv_bytes(MAX_ANSWER_BYTES)
                        if len(content) > SECONDS.size:
                            (seconds,) = SECONDS.unpack(content[: SECONDS.size])
                            found[video.id] = Thumbnail(seconds, content[SECONDS.size :])
                except (Empty, EOFError, OSError):  # nothing is left, or the process has died
                    continue

    with ThreadPoolExecutor(PROCESSES) as pool:
        for served in [pool.submit(serve) for _ in range(PROCESSES)]:
            served.result()
    return found


@contextmanager
def _decoder() -> Iterator[Connection]:
    """A process that runs `answer`, and the way to it."""
    here, there = Pipe()
    program = f"from cluster.nightly.thumbnails import answer; answer({there.fileno()})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))}
    process = subprocess.Popen(  # noqa: S603  # nothing but this project's code
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # of processes that may die
        pass_fds=[there.fileno()],
        env=environment,
        start_new_session=True,  # Ctrl-C is for the parent
    )
    there.close()
    try:
        yield here
    finally:
        process.kill()
        process.wait()
        here.close()


def answer(handle: int) -> None:
    """Answer each question on a connection, a video, with its thumbnail or nothing; until the other side has gone."""
    asked = Connection(handle)
    while True:
        try:
            uri, start_seconds, end_seconds = json.loads(asked.recv_bytes())
        except EOFError:
            return
        content = b""
        anything = (Exception, LimitExceededError)  # that the picture is missing says enough
        with suppress(*anything), TaskGuard(VIDEO_BYTES, VIDEO_SECONDS), open_video(uri) as source:
            thumbnail = video_thumbnail(source, start_seconds, end_seconds)
            content = SECONDS.pack(thumbnail.seconds) + thumbnail.jpeg
        asked.send_bytes(content)
