"""Reading of the source in a thread of its own: from opening it to the newest look that the network can take.

source ─► frames, each when it is due ─► window ─► `Latest`, where a newer look replaces one that was not taken

A stream from the network that breaks off is connected to again, after 1, 2, 4, … `LONGEST_WAIT` seconds, as long as no
more than so many attempts in a row fail. It goes on at the second of the view that it then is. A source that cannot be
opened at first is an error at once, as are a camera or a file that fails.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from cluster.live.latest import Latest
from cluster.live.window import Look, Window
from extractors.live.frames import LiveFrame, LiveFrames
from extractors.live.pace import Pace
from extractors.live.source import SourceKind, is_whole, kind_of, open_source, refusal
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.text import counted

LONGEST_WAIT = 30.0
JOIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class ReaderSettings:
    """What is read, and how.

    source           a path or an address
    clip_format      of the frames
    frames           that a look has
    stride_seconds   from one clip to the next
    is_repeated      whether a file begins again at its end
    max_pixels       the largest frame that is decoded
    timeout_seconds  without data, after which a stream is broken
    reconnects       attempts in a row to connect again
    """

    source: str
    clip_format: ClipFormat
    frames: int
    stride_seconds: float
    is_repeated: bool
    max_pixels: int
    timeout_seconds: float
    reconnects: int


@dataclass
class ReadCounts:
    """What has happened so far; changed by the reader alone.

    frames      taken from the source
    dropped     looks that the network had no time for
    undecoded   points of the grid that the decoder had no time for
    lost        likewise without a frame, because of damage or a stall
    lacking     frames until the first look
    reconnects  how often a connection was made again
    """

    frames: int = 0
    dropped: int = 0
    undecoded: int = 0
    lost: int = 0
    lacking: int = 0
    reconnects: int = 0


class Reader:
    """Fills `latest` from `start` to `stop`."""

    def __init__(self, settings: ReaderSettings, latest: Latest[Look]) -> None:
        self.counts = ReadCounts()
        self._settings, self._latest = settings, latest
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)  # it may hang in libav
        self._is_whole = False
        self._pace: Pace | None = None
        self._passage = 0
        self._zero: float | None = None  # when second 0 of the view was due
        self._end_seconds = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more. What hangs in a system call is left to it."""
        self._stop.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # the thread that takes the looks is to end with it
            self._latest.end(error)
        else:
            self._latest.end()

    def _read(self) -> None:
        failed = 0
        while True:
            before = self.counts.frames
            try:
                self._read_passage()
            except VideoError as error:
                failed = 1 if self.counts.frames > before else failed + 1
                self._wait_to_reconnect(error, failed)
            if self._stop.is_set() or (self._is_whole and not self._settings.is_repeated):
                return

    def _wait_to_reconnect(self, error: VideoError, failed: int) -> None:
        """After so many failures in a row. Raises the error where another attempt would be in vain, or one too many."""
        source, reconnects = self._settings.source, self._settings.reconnects
        if self._is_whole or not self.counts.frames or kind_of(source) is not SourceKind.NETWORK:
            raise error
        if failed > reconnects:
            tried = f"; {counted(reconnects, 'attempt')} to connect again failed" if reconnects else ""
            raise VideoError(error.code, f"{error.message}{tried}", error.stage) from error
        wait_seconds = min(2.0 ** (failed - 1), LONGEST_WAIT)
        self._latest.note(f"{error.message}; connecting again in {wait_seconds:g} s (attempt {failed} of {reconnects})")
        self._stop.wait(wait_seconds)

    def _read_passage(self) -> None:
        """From opening the source to its end; raises `VideoError` where that is not the end of a whole file."""
        settings = self._settings
        with open_source(
            settings.source, max_pixels=settings.max_pixels, timeout_seconds=settings.timeout_seconds
        ) as media:
            self._is_whole = is_whole(media, settings.source)
            if self._pace is None or not self._is_whole:
                self._pace = Pace(is_whole=self._is_whole, sleep=self._stop.wait)
            frames = LiveFrames(
                media,
                settings.clip_format,
                self._pace,
                start_seconds=self._start_seconds(),
                file=settings.source if kind_of(settings.source) is SourceKind.FILE else None,
                max_pixels=settings.max_pixels,
            )
            window = Window(settings.frames, settings.stride_seconds, self._passage)
            is_first = True
            for frame in frames:
                if self._stop.is_set():
                    return
                if is_first:
                    self._begin(frame)
                    is_first = False
                self._count(frame, window)
                self._offer(window.add(frame))
            self._end_seconds = frames.end_seconds
            self._passage += 1
            if frames.error is not None:
                raise refusal(frames.error, settings.source, settings.timeout_seconds, was_open=True) from frames.error
            if not self._is_whole:
                raise VideoError(FailureCode.STORAGE, "the stream ended", Stage.READ)
            self._offer(window.rest())

    def _start_seconds(self) -> float:
        """Where in the view a passage begins: a file's at the end of the one before, a stream's now."""
        if self._is_whole or self._zero is None:
            return self._end_seconds
        return max(self._end_seconds, time.monotonic() - self._zero)

    def _begin(self, frame: LiveFrame) -> None:
        if self._zero is None:
            self._zero = frame.due - frame.seconds
        elif not self._is_whole:
            self.counts.reconnects += 1
            self._latest.note("connected again; the network starts anew")

    def _count(self, frame: LiveFrame, window: Window) -> None:
        self.counts.frames += 1
        self.counts.undecoded += frame.undecoded
        self.counts.lost += frame.lost
        self.counts.lacking = max(window.lacking - 1, 0)

    def _offer(self, look: Look | None) -> None:
        replaced = None if look is None else self._latest.put(look)
        if look is None or replaced is None:
            return
        # What a server has kept and sends all at once when the connection is made was over before.
        if look.due - replaced.due > (look.seconds - replaced.seconds) / 2:
            self.counts.dropped += 1
