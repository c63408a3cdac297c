"""Progress of a run: a bar on a terminal, lines of text or JSON on a server, or nothing."""

from __future__ import annotations

import json
import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

from schemas.text import counted

logger = logging.getLogger("framemill")
LINE_EVERY_SECONDS = 15.0


class Progress:
    """Counts videos, frames and failures, and shows them; `total` is None where it is not known yet."""

    def __init__(self, total: int | None, *, style: str, line_every_seconds: float = LINE_EVERY_SECONDS) -> None:
        self.videos = self.frames = self.failures = 0
        self._total = total
        self._style = style
        self._line_every_seconds = line_every_seconds
        self._started = self._last_line = time.monotonic()
        self._bar = tqdm(total=total, unit="video", dynamic_ncols=True, smoothing=0.05) if style == "bar" else None

    @staticmethod
    def style_for(*, quiet: bool, log_format: str) -> str:
        """`none`, `json`, `text`, or `bar` on a terminal."""
        if quiet:
            return "none"
        if log_format == "json":
            return "json"
        return "bar" if sys.stderr.isatty() else "text"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._write_line()

    def add_frames(self, frames: int) -> None:
        """Count the frames of a finished segment."""
        self.frames += frames
        self._show(0)

    def add_video(self, *, failed: bool) -> None:
        """Count a settled video."""
        self.videos += 1
        self.failures += failed
        self._show(1)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def _show(self, videos: int) -> None:
        if self._bar is not None:
            rate = self.frames / max(self.seconds, 1e-9)
            self._bar.set_postfix_str(f"{rate:.1f} frames/s, {self.failures} failed", refresh=False)
            self._bar.update(videos)
        elif time.monotonic() - self._last_line >= self._line_every_seconds:
            self._write_line()

    def _write_line(self) -> None:
        self._last_line = time.monotonic()
        rate = self.frames / max(self.seconds, 1e-9)
        total = self._total
        left = (total - self.videos) * self.seconds / self.videos if total is not None and self.videos else None
        if self._style == "text":
            eta = "" if left is None else f", {left:.0f} s left"
            videos = counted(self.videos, "video") if total is None else f"{self.videos}/{total} videos"
            logger.info(f"{videos}, {self.frames} frames, {rate:.1f} frames/s, {self.failures} failed{eta}")
        elif self._style == "json":
            eta_seconds = None if left is None else round(left, 1)
            values = {
                "event": "progress",
                "videos": self.videos,
                "total": self._total,
                "frames": self.frames,
                "frames_per_second": round(rate, 2),
                "failures": self.failures,
                "eta_seconds": eta_seconds,
            }
            print(json.dumps(values), file=sys.stderr, flush=True)
