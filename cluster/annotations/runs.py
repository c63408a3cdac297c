"""Labels that stand frame by frame → runs: annotations from the first to the last of frames that follow each other."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.annotations import Annotation, FrameRange

Attributes = tuple[tuple[str, str], ...]


class FrameRuns:
    """Collects the frames of a video, in any order, in which `step` lies between one and the next.

    A run is as long as label and attributes stay the same, and lasts up to the frame before the next step.
    """

    def __init__(self, step: int = 1) -> None:
        self._step = step
        self._frames: dict[tuple[str, Attributes], dict[int, str]] = {}  # with their places

    def add(self, label: str, frame: int, place: str, attributes: Attributes = ()) -> None:
        """A label at a frame; the same one twice counts once."""
        self._frames.setdefault((label, attributes), {}).setdefault(frame, place)

    def annotations(self) -> tuple[Annotation, ...]:
        """The runs, in the order of their first frames."""
        return tuple(annotation for _, annotation in sorted(self._runs(), key=lambda run: run[0]))

    def _runs(self) -> Iterator[tuple[int, Annotation]]:
        for (label, attributes), places in self._frames.items():
            frames = sorted(places)
            first = frames[0]
            for frame, following in zip(frames, [*frames[1:], None], strict=True):
                if following != frame + self._step:
                    extent = FrameRange(first, frame + self._step - 1)
                    yield first, Annotation(label, extent, places[first], attributes=attributes)
                    first = following if following is not None else 0
