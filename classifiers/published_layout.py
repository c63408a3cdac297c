"""Layouts of public weight files of classifiers: the keys and shapes of their arrays, as data.

A family lists the layouts of its public files in `LAYOUTS`, the `layouts` of its class; `published_clips.fill` applies
them. Patterns are regular expressions, replaced one after the other. A kernel without a time dimension (four dimensions
where the model's has five) is from an image network and is inflated (`inflated`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Replacements = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout of one kind of file.

    name           its publisher
    rename         patterns and replacements from a key of the file to the model's key
    skip           keys of the file that are not weights of the network, such as an optimiser's or an auxiliary head's
    counted        layers that Keras numbers throughout a session: a pattern of a key's start with the groups kind and
                   number, none for the first. `rename` gets `kind_0/…`, `kind_1/…` in the order of the numbers
    ones           keys of the model that the file omits because all their values are 1
    channels_last  whether kernels end in (in, out), as in TensorFlow, instead of starting with (out, in)
    depthwise      keys of the file whose kernels end in (out, 1) instead
    rearranged     by key of the model, a further transformation of the array, given the model and the array
    options        of the model, required for these weights
    """

    name: str
    rename: Replacements
    skip: str | None = None
    counted: str | None = None
    ones: str | None = None
    channels_last: bool = False
    depthwise: str | None = None
    rearranged: Mapping[str, Callable[[Any, Tensor], Tensor]] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)

    def key_of(self, theirs: str) -> str | None:
        """The model's key for a key of the file; None if it is skipped."""
        if self.skip and re.search(self.skip, theirs):
            return None
        for pattern, replacement in self.rename:
            theirs = re.sub(pattern, replacement, theirs)
        return theirs

    def keys_of(self, theirs: Iterable[str]) -> dict[str, str | None]:
        """The model's key for each key of a file; None for those that are skipped."""
        names = list(theirs)
        recounted = self._recounted(name for name in names if self.key_of(name) is not None)
        return {name: self.key_of(recounted.get(name, name)) for name in names}

    def _recounted(self, theirs: Iterable[str]) -> dict[str, str]:
        """Keys of counted layers as `kind_0/…`, whatever number their file starts with."""
        if self.counted is None:
            return {}
        found = {name: match for name in theirs if (match := re.match(self.counted, name))}
        layers = sorted({(match[1], int(match[2] or 0)) for match in found.values()})
        ranks: dict[tuple[str, int], int] = {}
        for kind, number in layers:
            ranks[kind, number] = sum(other == kind for other, _ in ranks)
        return {
            name: f"{match[1]}_{ranks[match[1], int(match[2] or 0)]}/{name[match.end() :]}"
            for name, match in found.items()
        }

    def is_one(self, ours: str) -> bool:
        """Whether the file omits this key of the model because its values are 1."""
        return self.ones is not None and re.search(self.ones, ours) is not None

    def oriented(self, theirs: str, array: Tensor) -> Tensor:
        """An array of the file, permuted to torch's order of dimensions."""
        if not self.channels_last or array.ndim < 2:
            return array
        is_depthwise = self.depthwise is not None and re.search(self.depthwise, theirs) is not None
        return array.permute(*((-2, -1) if is_depthwise else (-1, -2)), *range(array.ndim - 2))


# A key of Keras is the name of the layer, then its name again with the kind of array: `conv1/conv1_2/kernel:0`, in a
# whole model `model_weights/conv1/conv1/kernel`, and before Keras 2 `conv1/conv1_W:0`.
KERAS_KEYS: Replacements = (
    (r"^model_weights/", ""),
    (r"^([^/]+)/(?:.*[/_])?(?:kernel|W)(?::0)?$", r"\1.weight"),
    (r"^([^/]+)/(?:.*[/_])?(?:bias|b)(?::0)?$", r"\1.bias"),
)


def inflated(kernel: Tensor, frames: int) -> Tensor:
    """An image kernel (out, in, H, W) inflated to (out, in, frames, H, W).

    It is repeated in time and divided by `frames`, so that a still clip gives the result of the image wherever the
    kernel lies within the clip (arXiv:1705.07750, section 2.4.1).
    """
    return (kernel / frames)[:, :, None].expand(-1, -1, frames, -1, -1)
