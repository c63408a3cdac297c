"""Keras's Inception v3, with a head or without, to a state dict of `inception_keras`.

In: arrays by their names in a file, kernels as H, W, in, out. Out: {key: float32 tensor}. A head is not part of an
embedder: of its arrays only those of layers of the same kinds are read, and left out.

| written by                         | arrays of a layer                                        |
|------------------------------------|----------------------------------------------------------|
| Keras 2, Keras 3 `save('NAME.h5')` | `…/conv2d_5/kernel:0`, `…/batch_normalization_5/beta:0`  |
| Keras 3 `save_weights`             | `layers/conv2d_5/vars/0`, `layers/…/vars/0` to `2`       |
| TensorFlow.js layers model         | `conv2d_5/kernel`, `batch_normalization_5/beta`          |

Layers are numbered in the order in which Keras makes them, that of our `ConvBlock`s, from any number; those of a head
follow. The numbers of `save_weights` are their order in `model.layers`, sorted by depth (`SORTED`). Batch norms have no
scale.

Keras's own weights take pixels in [-1, 1] (`preprocess_input`), many fine-tuned ones pixels in [0, 1]
(`rescale=1/255`), and no file says which. The first batch norm does: its mean is about the mean pixel times the sum of
the kernel. A first layer for [0, 1] is rewritten for [-1, 1], which it reads without padding: the network is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from extractors.networks.inception import (
    VARIANTS,
    ConvBlock,
    GridBlock8,
    GridBlock17,
    GridBlock35,
    ReduceTo8,
    ReduceTo17,
)
from extractors.networks.sizes import FEATURE_DIM
from extractors.weights.content import WeightsError

LAYER = re.compile(r"(?:^|/)(conv2d|batch_normalization)(?:_(\d{1,9}))?/(vars/)?([a-z_]+|\d)(?::0)?$")
OPTIMIZER = "optimizer"  # start of the paths of its moments
ENTRIES = {
    "conv2d": {"kernel": "conv.weight"},
    "batch_normalization": {"beta": "bn.bias", "moving_mean": "bn.running_mean", "moving_variance": "bn.running_var"},
}
# The convolutions of a block in the order of `model.layers`.
SORTED: dict[type[nn.Module], tuple[int, ...]] = {
    GridBlock35: (3, 1, 4, 0, 2, 5, 6),
    ReduceTo17: (1, 2, 0, 3),
    GridBlock17: (4, 5, 1, 6, 2, 7, 0, 3, 8, 9),
    ReduceTo8: (2, 3, 0, 4, 1, 5),
    GridBlock8: (4, 1, 5, 2, 3, 6, 7, 0, 8),
}
FIRST = "Conv2d_1a_3x3"
SIGNED_MEANS, UNIT_MEANS = (-1.0, 0.2), (0.3, 1.0)  # mean pixels in [-1, 1] and in [0, 1]


def inception_state(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of the Inception among `arrays`.

    Raises:
        WeightsError: if there is none, more than one, or one whose range of pixels cannot be told.
    """
    state = {"fc.weight": torch.zeros(0, FEATURE_DIM), "fc.bias": torch.zeros(0)}
    for kind, entries in ENTRIES.items():
        layers, is_sorted = _layers(arrays, kind)
        names = _blocks(is_sorted=is_sorted)
        if len(layers) < len(names):
            raise WeightsError(f"it has {len(layers)} layers named {kind}, Keras's Inception v3 has {len(names)}")
        for name, (number, layer) in zip(names, sorted(layers.items()), strict=False):  # those of a head follow
            by_place = dict(zip(map(str, range(len(entries))), entries, strict=True))
            found = {by_place.get(entry, entry): array for entry, array in layer.items()}
            if set(found) != set(entries) or len(found) < len(layer):
                raise WeightsError(
                    f"{kind} {number} has the arrays {', '.join(sorted(layer))}; expected are {', '.join(entries)}"
                )
            for entry, key in entries.items():
                state[f"{name}.{key}"] = _kernel(found[entry]) if kind == "conv2d" else found[entry]
            if kind != "conv2d":
                state[f"{name}.bn.weight"] = torch.ones_like(state[f"{name}.bn.bias"])
    return state | _signed(state[f"{FIRST}.conv.weight"], state[f"{FIRST}.bn.running_mean"])


def is_of_layer(path: str) -> bool:
    """Whether an array is of a layer as Inception has them."""
    return LAYER.search(path) is not None and not path.startswith(OPTIMIZER)


def _layers(arrays: Mapping[str, Tensor], kind: str) -> tuple[dict[int, dict[str, Tensor]], bool]:
    """The layers of a kind by number, each with its arrays, and whether the numbers are sorted by depth."""
    layers: dict[int, dict[str, Tensor]] = {}
    is_sorted = False
    for path, array in arrays.items():
        match = LAYER.search(path)
        if match is None or match[1] != kind or not is_of_layer(path):
            continue
        layer = layers.setdefault(int(match[2] or 0), {})
        if match[4] in layer:
            raise WeightsError(f"it has more than one array {path.rsplit('/', 2)[-2]}/{match[4]}: save one network")
        layer[match[4]] = array
        is_sorted |= match[3] is not None
    return layers, is_sorted


def _blocks(*, is_sorted: bool) -> list[str]:
    """The names of the `ConvBlock`s in the order in which Keras makes them, or sorts them."""
    with torch.device("meta"):
        network = VARIANTS["inception-keras"]()
    names = []
    for name, block in network.named_children():
        inner = [f"{name}.{part}" for part, layer in block.named_children() if isinstance(layer, ConvBlock)]
        if isinstance(block, ConvBlock):
            names.append(name)
        elif inner:
            names += [inner[place] for place in SORTED[type(block)]] if is_sorted else inner
    return names


def _kernel(array: Tensor) -> Tensor:
    if array.ndim != 4:
        raise WeightsError(f"a convolution kernel has shape {tuple(array.shape)}; it must have four dimensions")
    return array.permute(3, 2, 0, 1).contiguous()


def _signed(kernel: Tensor, mean: Tensor) -> dict[str, Tensor]:
    """The first layer's kernel (C, 3, 3, 3) and mean (C,) for pixels in [-1, 1]."""
    if mean.shape != kernel.shape[:1]:
        raise WeightsError(f"the first layer has {len(kernel)} kernels and a batch norm of shape {tuple(mean.shape)}")
    sums = kernel.double().sum((1, 2, 3))
    pixel = float(sums @ mean.double() / sums.square().sum().clamp(min=1e-12))
    if SIGNED_MEANS[0] <= pixel < SIGNED_MEANS[1]:
        return {}
    if not UNIT_MEANS[0] < pixel <= UNIT_MEANS[1]:
        raise WeightsError(
            f"its first batch norm is of pixels of mean {pixel:.2f}: neither in [-1, 1] (means up to "
            f"{SIGNED_MEANS[1]}) nor in [0, 1] (means from {UNIT_MEANS[0]}); scale the first kernel to [-1, 1]"
        )
    # x in [0, 1] is (s + 1) / 2 of s in [-1, 1]
    shifted = mean.double() - sums / 2
    return {f"{FIRST}.conv.weight": kernel / 2, f"{FIRST}.bn.running_mean": shifted.float()}
