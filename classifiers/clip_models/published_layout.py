"""How a public file names and shapes the arrays of a clip classifier, as data; `published_clips.fill` reads it.

A family lists the layouts of its files in `LAYOUTS`, and its class points to them. Patterns are regular expressions,
replaced one after the other. A kernel without time (four dimensions where ours has five) comes from a network over
pictures and is inflated: see `inflated`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Replacements = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One kind of file.

    name           who publishes it
    rename         patterns and replacements that make a key of the file ours
    skip           keys of the file that are no weights of the network: an optimiser's, a head that only training has
    ones           keys of ours that such files leave out, because all their values are 1
    channels_last  whether kernels end in (in, out), as TensorFlow's do, instead of starting with (out, in)
    rearranged     by key of ours, what is done to the array besides; takes the model and the array
    options        how the model is to be configured for these weights
    """

    name: str
    rename: Replacements
    skip: str | None = None
    ones: str | None = None
    channels_last: bool = False
    rearranged: Mapping[str, Callable[[Any, Tensor], Tensor]] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)

    def key_of(self, theirs: str) -> str | None:
        """Our key for one of the file; None for what is skipped."""
        if self.skip and re.search(self.skip, theirs):
            return None
        for pattern, replacement in self.rename:
            theirs = re.sub(pattern, replacement, theirs)
        return theirs

    def is_one(self, ours: str) -> bool:
        """Whether such files leave out this key of ours."""
        return self.ones is not None and re.search(self.ones, ours) is not None

    def oriented(self, array: Tensor) -> Tensor:
        """An array of the file with its dimensions in torch's order."""
        if not self.channels_last or array.ndim < 2:
            return array
        return array.permute(-1, -2, *range(array.ndim - 2))


# Keras writes the name of a layer, then once more its name and the kind of its array: `conv1/conv1_2/kernel:0`, in a
# whole model `model_weights/conv1/conv1/kernel`, and before its second version `conv1/conv1_W:0`.
KERAS_KEYS: Replacements = (
    (r"^model_weights/", ""),
    (r"^([^/]+)/(?:.*[/_])?(?:kernel|W)(?::0)?$", r"\1.weight"),
    (r"^([^/]+)/(?:.*[/_])?(?:bias|b)(?::0)?$", r"\1.bias"),
)


def inflated(kernel: Tensor, frames: int) -> Tensor:
    """A kernel over pictures, (out, in, H, W), for so many frames: (out, in, frames, H, W).

    Repeated in time and divided by `frames`, so that a still gives what the picture gave, wherever the kernel lies
    inside the clip (arXiv:1705.07750, section 2.4.1).
    """
    return (kernel / frames)[:, :, None].expand(-1, -1, frames, -1, -1)
