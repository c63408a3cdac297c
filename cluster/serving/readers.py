"""The lip readers that are served: checkpoints, with the stages that read, those of `jobs/transcribe_lips.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from classifiers.choices import WORD_ERROR_RATE
from classifiers.inference.lip_reader import LipReader
from classifiers.weights.checkpoint import Checkpoint
from cluster.runs.option import spelled
from cluster.serving.config import ServeOptions
from cluster.serving.length import grid_points
from cluster.transcription.config import WindowOptions
from cluster.transcription.manner import Manner, read_manner
from extractors.video.grid import as_fps


@dataclass(frozen=True, kw_only=True)
class ServedReader:
    """One lip reader, whose stage has its name.

    report  the page of its training; None where there is none
    """

    kind: ClassVar[str] = "lips"
    classes: ClassVar[tuple[str, ...]] = ()
    is_live: ClassVar[bool] = False
    live_hz: ClassVar[None] = None
    accuracy: ClassVar[None] = None
    confusions: ClassVar[Mapping[str, tuple[tuple[str, float], ...]]] = {}

    name: str
    reader: LipReader
    manner: Manner
    report: bytes | None

    @property
    def stage(self) -> str:
        """The key of the stage that reads."""
        return self.name

    @property
    def step_hz(self) -> float:
        """The frames a second that it reads."""
        return float(as_fps(self.reader.look.fps))

    @property
    def word_error_rate(self) -> float | None:
        """On the validation split; None where it is not known."""
        return self.reader.config.metrics.get(WORD_ERROR_RATE)


def read_reader(
    name: str, uri: str, checkpoint: Checkpoint, options: ServeOptions, report: bytes | None
) -> ServedReader:
    """A lip reader that decodes as the options say. Raises `InputError` with everything that is wrong."""
    reader = LipReader(checkpoint, uri)
    manner = read_manner(
        reader,
        options.mouth,
        WindowOptions(),  # as --window is of timelines here
        options.text_decoding,
        max_pixels=options.uploads.max_pixels,
        max_frames=grid_points(options.uploads.max_duration, reader.look.fps),
    )
    return ServedReader(name=name, reader=reader, manner=manner, report=report)


def unread(options: ServeOptions) -> list[str]:
    """What is wrong with the options of a service without a lip reader: those that are of lip readers alone."""
    given = (options.mouth.flat() | options.text_decoding.flat()).keys() - options.unchanged()
    return [f"--{spelled(name)} is for lip readers, and no checkpoint is of one" for name in sorted(given)]
