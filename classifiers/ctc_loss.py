"""The loss of connectionist temporal classification (CTC): how likely a text is, whatever the time of its characters.

In: logits (N, T, K) of any float type with the number of frames of each clip, int64 (N,); labels, int64 (N, S) with
their number, int64 (N,). Out: float32, the negative log-likelihood. N clips, T frames, K classes with the blank, S
characters. Padding after a clip's frames or characters is ignored.

Source: Graves et al., ICML 2006. The mean over clips is that of the sums, as in Keras; torch's own divides each by the
length of its text. A text of L characters needs a frame each, and one more between equal neighbours. In fewer frames
its likelihood is 0 whatever the network has learned: such a pair is a mistake in the data and is refused. There is no
`zero_infinity`, which would count it as learned.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

MAX_LISTED = 5  # pairs


class CtcLoss(nn.Module):
    """The mean over the clips; `blank` is the class of no character, negative if counted from the end."""

    def __init__(self, *, blank: int) -> None:
        super().__init__()
        self.blank = blank

    def forward(self, logits: Tensor, num_frames: Tensor, labels: Tensor, num_labels: Tensor) -> Tensor:
        """The mean of `losses`."""
        return self.losses(logits, num_frames, labels, num_labels).mean()

    def losses(self, logits: Tensor, num_frames: Tensor, labels: Tensor, num_labels: Tensor) -> Tensor:
        """The loss of each clip, (N,).

        Raises:
            ValueError: if shapes, lengths or labels do not match, or a text does not fit into its frames.
        """
        classes = logits.shape[-1]
        blank = self.blank % classes
        _check(logits, num_frames, labels, num_labels, blank)
        logs = logits.float().log_softmax(dim=2).transpose(0, 1)  # (T, N, K)
        return F.ctc_loss(logs, labels, num_frames, num_labels, blank=blank, reduction="none")


def _check(logits: Tensor, num_frames: Tensor, labels: Tensor, num_labels: Tensor, blank: int) -> None:
    """Raise `ValueError` for what torch would read beyond its end, or return as infinity."""
    clips, frames, classes = logits.shape
    shapes = [tuple(array.shape) for array in (num_frames, num_labels)]
    if labels.ndim != 2 or len(labels) != clips or shapes != [(clips,)] * 2:
        raise ValueError(
            f"logits {tuple(logits.shape)} need labels (N, S) and two lengths (N,), "
            f"got {tuple(labels.shape)}, {shapes[0]} and {shapes[1]}"
        )
    problems = _out_of_range("frames", num_frames, 1, frames)
    problems += _out_of_range("labels", num_labels, 0, labels.shape[1])
    if problems:
        raise ValueError("; ".join(problems))
    for clip, (label, length, given) in enumerate(
        zip(labels.cpu(), num_labels.tolist(), num_frames.tolist(), strict=True)
    ):
        text = label[:length]
        wrong = [int(one) for one in text if not 0 <= one < classes or one == blank]
        problems += [f"clip {clip} has label {wrong[0]}, of {classes} classes with the blank {blank}"] if wrong else []
        needed = length + int((text[1:] == text[:-1]).sum())
        if given < needed:
            problems.append(f"clip {clip} has {given} frames, its {length} labels need {needed}")
    if problems:
        more = [f"and {len(problems) - MAX_LISTED} more"] if len(problems) > MAX_LISTED else []
        raise ValueError("; ".join(problems[:MAX_LISTED] + more))


def _out_of_range(what: str, lengths: Tensor, least: int, most: int) -> list[str]:
    wrong = [length for length in lengths.tolist() if not least <= length <= most]
    return [f"a clip has {wrong[0]} {what}, allowed are {least} to {most}"] if wrong else []
