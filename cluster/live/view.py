"""One live view, from its first look to its summary.

The reader never waits for the network: what the network has no time for is dropped, and counted. A view that ends, for
whatever reason, leaves its last table on the screen, a summary in the log, and its recording complete.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from classifiers.inference.clip_base import ClipClassifier
from cluster.live.config import WatchOptions
from cluster.live.latest import Latest
from cluster.live.network import LiveNetwork
from cluster.live.reader import Reader, ReaderSettings
from cluster.live.recording import Recording, Result
from cluster.live.screen import REFRESH_SECONDS, Screen
from cluster.live.table import Status
from cluster.live.tally import Tally, clock_text
from cluster.live.window import Look
from cluster.runs.command_line import discard_output
from cluster.runs.lifecycle import ExitCode, code_of, failed, guarded, recorded
from cluster.runs.logs import shown
from cluster.storage.redaction import redacted_uri
from schemas.errors import InputError
from schemas.outcomes import VideoError
from schemas.records import utc_text
from schemas.text import counted

STRIDE_SECONDS = 1.0

logger = logging.getLogger("framemill")


class LiveView:
    """Watches the source of `options` with a network that is ready."""

    def __init__(self, options: WatchOptions, trained: ClipClassifier, network: LiveNetwork, screen: Screen) -> None:
        self._options, self._network, self._screen = options, network, screen
        self._config, self._model = trained.config, trained.name
        self._source = shown(redacted_uri(options.source))
        self._latest: Latest[Look] = Latest()
        stride_seconds, reception = options.stride or STRIDE_SECONDS, options.reception
        settings = ReaderSettings(
            source=options.source_name,
            clip_format=trained.clips.format,
            frames=network.frames,
            stride_seconds=stride_seconds,
            is_repeated=options.loop,
            max_pixels=reception.max_pixels,
            timeout_seconds=reception.timeout,
            reconnects=reception.reconnects,
        )
        self._reader = Reader(settings, self._latest)
        self._tally = Tally(self._reader.counts, "frames" if network.is_stream else "clips", stride_seconds)
        self._recording = None
        if options.record is not None:
            classes = self._config.class_indices, self._config.class_names
            self._recording = Recording(options.record, *classes, self._described)
        self._started = datetime.now(UTC)
        self._began_at: float | None = None  # when the first frame was due
        self._passage = 0
        self._labels: list[tuple[str, float]] = []

    def __call__(self) -> ExitCode:
        """Watch to the end."""
        logger.info(f"watching {self._source} with {self._model} in {self._network.precision}; Ctrl-C ends it")
        self._reader.start()
        with recorded(self._cut_short):
            status = guarded(self._watch, OSError, FloatingPointError)
        self._reader.stop()
        if status == "failed" and self._began_at is None:
            return ExitCode.BAD_INPUT  # there was nothing to watch
        if self._recording is not None:
            try:
                self._recording.close(status)
            except (InputError, OSError, pa.ArrowException) as error:
                status = failed(error)
        parts = [f"{clock_text(self._tally.seconds)} of {self._source}", *self._tally.summary()]
        if self._recording is not None:
            parts.append(f"{counted(self._recording.rows, 'row')} in {self._options.record}")
        logger.info(f"{status}: {'; '.join(parts)}")
        return code_of(status, is_too_many=False)

    def _cut_short(self, status: str) -> None:
        self._reader.stop()
        if self._recording is not None:
            self._recording.close(status)

    def _watch(self) -> None:
        try:
            while not self._is_over():
                look = self._latest.take(REFRESH_SECONDS)
                for note in self._latest.notes():
                    self._screen.log(logging.WARNING, f"{self._source}: {note}")
                if look is not None:
                    self._see(look)
                self._screen.show(self._status)
        except BrokenPipeError:  # whoever read the lines has gone
            discard_output()
            raise KeyboardInterrupt from None
        finally:
            self._screen.close(self._status)

    def _is_over(self) -> bool:
        duration = self._options.duration
        if duration is not None and self._began_at is not None and time.monotonic() - self._began_at >= duration:
            return True
        try:
            return self._latest.is_over
        except VideoError as error:
            raise InputError(f"{self._source}: {error.message}") from error

    def _see(self, look: Look) -> None:
        if self._began_at is None:
            self._began_at = look.due
        if look.passage != self._passage:
            self._network.restart()
            self._passage = look.passage
        places, scores = (each.tolist() for each in self._network(look.frames, self._options.top_k))
        latency_seconds = time.monotonic() - look.due
        self._tally.add(look.seconds, latency_seconds)
        self._labels = [(self._config.class_names[place], score) for place, score in zip(places, scores, strict=True)]
        if self._recording is not None:
            self._recording.add(Result(time.time() - latency_seconds, look.seconds, places, scores))

    def _status(self) -> Status:
        tally = self._tally
        latest = {"seconds": round(tally.seconds, 3), "latency_ms": round(tally.latency_seconds * 1000)}
        return Status(
            title=f"{self._source}   {self._model}",
            facts=tally.facts(),
            values={**(latest if tally.results else {}), **tally.values()},
            labels=self._labels,
        )

    def _described(self, status: str) -> Mapping[str, Any]:
        """The view, for its recording."""
        memory_seconds = self._options.memory_seconds
        return {
            "status": status,
            "source": redacted_uri(self._options.source),
            "model": self._model,
            "precision": self._network.precision,
            "started_at": utc_text(self._started),
            "saved_at": utc_text(datetime.now(UTC)),
            **({} if self._network.is_stream else {"stride_seconds": self._tally.stride_seconds}),
            **({} if memory_seconds is None else {"memory_seconds": memory_seconds}),
            **self._tally.values(),
        }
