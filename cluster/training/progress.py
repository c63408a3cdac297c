"""Progress within the stages of a training (checks, epochs, evaluation): counted by a worker, shown where the job runs.

In: the batches of a stage as the first worker takes them. Out: a `StageProgress` every second, and on stderr a bar on a
terminal, or now and then a line of text or JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from tqdm import tqdm

from cluster.runs.progress import LINE_EVERY_SECONDS

EVERY_SECONDS = 1.0

logger = logging.getLogger("framemill")

T = TypeVar("T")


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is, over all workers: `videos` of `total` in `seconds`."""

    stage: str
    videos: int
    total: int
    seconds: float

    @property
    def videos_per_second(self) -> float:
        """Since the stage began."""
        return self.videos / max(self.seconds, 1e-9)

    @property
    def eta_seconds(self) -> float:
        """Until the stage ends, at this rate."""
        return (self.total - self.videos) / max(self.videos_per_second, 1e-9)


class Meter:
    """Counts the videos of one of `world` workers with equal shares; `show` gets the progress of all."""

    def __init__(
        self,
        show: Callable[[StageProgress], None] | None = None,
        *,
        world: int = 1,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._show, self._world, self._every_seconds = show, world, every_seconds

    def follow(self, stage: str, items: Iterable[T], total: int, videos_in: Callable[[Any], int] = len) -> Iterator[T]:
        """The items, as they are taken; `total` is the number of videos in those of all workers."""
        return iter(items) if self._show is None else self._followed(stage, items, total, videos_in, self._show)

    def _followed(
        self,
        stage: str,
        items: Iterable[T],
        total: int,
        videos_in: Callable[[Any], int],
        show: Callable[[StageProgress], None],
    ) -> Iterator[T]:
        started = shown = time.monotonic()
        videos = 0
        for item in items:
            yield item
            videos += videos_in(item) * self._world
            now = time.monotonic()
            if now - shown >= self._every_seconds:
                shown = now
                show(StageProgress(stage, min(videos, total), total, now - started))


UNWATCHED = Meter()


class ProgressDisplay:
    """Shows the progress of one stage after another, in a style of `Progress.style_for`."""

    def __init__(self, style: str, *, line_every_seconds: float = LINE_EVERY_SECONDS) -> None:
        self._style, self._line_every_seconds = style, line_every_seconds
        self._last_line = time.monotonic()
        self._bar: Any = None
        self._stage = ""

    def show(self, progress: StageProgress) -> None:
        """Move the bar, or write a line if the last one is a while ago."""
        if self._style == "bar":
            self._move_bar(progress)
        elif self._style != "none" and time.monotonic() - self._last_line >= self._line_every_seconds:
            self._last_line = time.monotonic()
            self._write_line(progress)

    def clear(self) -> None:
        """Make room for a line of the log, which says as much as one of progress."""
        self._last_line = time.monotonic()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def close(self) -> None:
        """Remove the bar."""
        self.clear()

    def _move_bar(self, progress: StageProgress) -> None:
        if progress.stage != self._stage:
            self.clear()
        if self._bar is None:
            self._stage = progress.stage
            self._bar = tqdm(
                total=progress.total, desc=progress.stage, unit="video", dynamic_ncols=True, leave=False, smoothing=0
            )
            self._bar.start_t -= progress.seconds  # the stage began before its bar
        self._bar.n = progress.videos
        self._bar.refresh()

    def _write_line(self, progress: StageProgress) -> None:
        if self._style == "text":
            logger.info(
                f"{progress.stage}: {progress.videos}/{progress.total} videos, "
                f"{progress.videos_per_second:.1f} videos/s, {progress.eta_seconds:.0f} s left"
            )
            return
        values = {
            "event": "progress",
            "stage": progress.stage,
            "videos": progress.videos,
            "total": progress.total,
            "videos_per_second": round(progress.videos_per_second, 2),
            "eta_seconds": round(progress.eta_seconds, 1),
        }
        print(json.dumps(values), file=sys.stderr, flush=True)
