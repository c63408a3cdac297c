"""Compares an exported classifier with the checkpoint in torch that it was made of.

In: an exported form (`classifiers.export.form`), the file running (`classifiers.export.onnx_session`), and clips, uint8
(N, T, H, W, C). Out: an `ExportCheck`, and what of it exceeds the limits of the file's precision.

A stream network is also given each clip in parts, with the state of one part passed on to the next, which must come to
the same as the whole clip. One with a memory is given noise where it begins to forget. Differences are measured in
standard deviations of torch's logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.export.form import Form, StreamForm
from schemas.exports import ExportCheck, ExportedModel

# In deviations. What int8 loses shows in the top classes of real videos, since noise says nothing of its range.
MAX_DIFFERENCE = {"fp32": 1e-4}
MAX_CHUNKED_DIFFERENCE = {"fp32": 1e-4, "int8": 0.2}
PART_FRAMES = (1, 4, 8)  # of the parts of a clip, in turn
FRAMES_BEFORE_FORGETTING = 2
RANDOM, VIDEOS = "random", "videos"


class Session(Protocol):
    """An exported classifier, running."""

    exported: ExportedModel

    def run(self, pictures: NDArray[np.uint8], state: Any = None) -> tuple[Any, Any, Any]:
        """Logits, features and the state after the pictures, after those of `state`."""
        ...


@dataclass
class _Sums:
    """What has been compared so far."""

    logits: list[NDArray[np.float32]] = field(default_factory=list)
    max_difference: float = 0.0
    chunked_difference: float = 0.0
    clips: int = 0
    agreeing: int = 0


def random_check(form: Form, session: Session) -> ExportCheck:
    """Compare on clips of noise, in batches and parts of other sizes than those of the trace."""
    sizes = ((1, 7), (3, 5)) if isinstance(form, StreamForm) else ((2, 0),)
    seen_frames = max(0, (form.memory_frames or 0) - FRAMES_BEFORE_FORGETTING)
    return compare(form, session, (form.examples(*size)[0].numpy() for size in sizes), RANDOM, seen_frames)


def compare(
    form: Form, session: Session, batches: Iterable[NDArray[np.uint8]], inputs: str, seen_frames: int = 0
) -> ExportCheck:
    """Compare on batches of clips (N, T, H, W, C), of stream networks after so many frames that left no trace."""
    sums = _Sums()
    for batch in batches:
        _add(sums, form, session, batch, seen_frames)
    spread = np.concatenate([logits.ravel() for logits in sums.logits]) if sums.logits else np.zeros(0)
    return ExportCheck(
        inputs=inputs,
        clips=sums.clips,
        deviation=float(spread.std()) if spread.size else 0.0,
        max_difference=sums.max_difference,
        chunked_difference=sums.chunked_difference,
        top1_agreement=sums.agreeing / max(1, sums.clips),
    )


def excess(check: ExportCheck, precision: str, min_agreement: float) -> list[str]:
    """What is beyond the limits, as sentences; nothing if the check is passed."""
    unit = check.deviation or 1.0
    difference, chunked = check.max_difference / unit, check.chunked_difference / unit
    problems = []
    if not difference <= MAX_DIFFERENCE.get(precision, np.inf):  # NaN is refused, too
        limit = MAX_DIFFERENCE[precision]
        problems.append(f"its logits are {difference:.1e} deviations off, at most {limit:g} allowed")
    if not chunked <= MAX_CHUNKED_DIFFERENCE[precision]:
        problems.append(
            f"in parts, its logits are {chunked:.1e} deviations from those of the whole clips, at most "
            f"{MAX_CHUNKED_DIFFERENCE[precision]:g} allowed"
        )
    if check.inputs == VIDEOS and check.top1_agreement < min_agreement:
        agreement = f"{check.top1_agreement:.1%} of the videos, not {min_agreement:.1%}"
        problems.append(f"it has torch's best class for {agreement}")
    return [f"on {check.clips} {check.inputs} clips, {problem}" for problem in problems]


def _add(sums: _Sums, form: Form, session: Session, batch: NDArray[np.uint8], seen_frames: int) -> None:
    past = form.past(len(batch), seen_frames)
    state = {name: value.numpy() for name, value in zip(form.inputs[1:], past, strict=True)}
    with torch.inference_mode():
        pictures = torch.tensor(batch)  # a copy, as decoded clips are read-only
        expected = form(pictures, *past)[0].numpy()  # (N, K), of streams (N, T, K)
    found, _, _ = session.run(batch, state)
    sums.logits.append(expected)
    sums.max_difference = _larger(sums.max_difference, found, expected)
    if isinstance(form, StreamForm):
        chunked = np.concatenate(list(_in_parts(session, batch, state)), axis=1)
        sums.chunked_difference = _larger(sums.chunked_difference, chunked, found)
        found, expected = found[:, -1], expected[:, -1]
    sums.clips += len(batch)
    sums.agreeing += int((found.argmax(axis=1) == expected.argmax(axis=1)).sum())


def _in_parts(session: Session, batch: NDArray[np.uint8], state: Any) -> Iterator[NDArray[np.float32]]:
    """The logits (N, t, K) of one part of t frames after the other."""
    start, turn = 0, 0
    while start < batch.shape[1]:
        stop = start + PART_FRAMES[turn % len(PART_FRAMES)]
        logits, _, state = session.run(batch[:, start:stop], state)
        yield logits
        start, turn = stop, turn + 1


def _larger(before: float, found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest difference; NaN if there is one."""
    return float(np.maximum(before, np.abs(found - expected).max()))
