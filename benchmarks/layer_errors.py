"""Where bf16 loses: `python benchmarks/layer_errors.py --weights FILE VIDEO ... [--forms] [--fps 1]`.

For each layer of the stem and each block of Inception: the relative RMS of the features if only its weights, biases or
activations are rounded to the nearest bf16, and the error that its outputs have if everything up to it is rounded. The
first three are what a layer introduces, the last is what it passes on. One frame of every video in float32.

`--forms` compares whole networks instead, on all frames sampled: what rounding weights, biases or activations costs,
and what each part of the form that `bf16` is (`inference_form`, `rounding`) saves, in time as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.differences import lowest_cosine, relative_rms
from benchmarks.measure import alternating_cpu_seconds
from extractors.networks import inference_form
from extractors.networks.image_input import IMAGE_INPUTS, as_image_tensor
from extractors.networks.inception import ConvBlock, InceptionV3
from extractors.networks.inference_form import EXACT, FusedConv, PooledConv, to_inference_form
from extractors.video.decode import sample_frames
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import resolve_weights

ModuleT = TypeVar("ModuleT", bound=nn.Module)

BATCH_FRAMES = 8
TIMED_FRAMES, TIMED_ROUNDS = 16, 3
STEPS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c"),
)


def nearest(numbers: Tensor) -> Tensor:
    """In numbers of bf16, in their own type."""
    return numbers.to(torch.bfloat16).to(numbers.dtype)


def round_weights(block: ConvBlock) -> None:
    """Round the weights of convolution and batch norm as one layer."""
    assert block.bn.running_var is not None
    scale = (block.bn.weight / torch.sqrt(block.bn.running_var + block.bn.eps))[:, None, None, None]
    block.conv.weight.data = nearest(block.conv.weight * scale) / scale


def round_biases(block: ConvBlock) -> None:
    """Round the biases of convolution and batch norm as one layer."""
    assert block.bn.running_mean is not None
    assert block.bn.running_var is not None
    shift = block.bn.running_mean * block.bn.weight / torch.sqrt(block.bn.running_var + block.bn.eps)
    block.bn.bias.data = nearest(block.bn.bias - shift) + shift


def round_activations(block: ConvBlock) -> None:
    """Round the activations."""
    block.register_forward_hook(lambda _, inputs, output: nearest(output))


ROUNDINGS: tuple[Callable[[ConvBlock], None], ...] = (round_weights, round_biases, round_activations)


def rounded(layer: ModuleT, roundings: tuple[Callable[[ConvBlock], None], ...]) -> ModuleT:
    """A copy of a layer or block with its numbers rounded."""
    copy = deepcopy(layer)
    for block in copy.modules():
        if isinstance(block, ConvBlock):
            for change in roundings:
                change(block)
    return copy


def features_from(network: InceptionV3, step: int, x: Tensor) -> Tensor:
    """Features of the inputs of a step."""
    for name in STEPS[step:]:
        x = getattr(network, name)(x)
    return x.mean((2, 3))


def bf16_form(network: InceptionV3, *, cancels: bool, exact: tuple[str, ...] = ()) -> InceptionV3:
    """A copy in bf16, with the layers `exact` in float32.

    cancels  whether biases are float32 and errors of weights cancel; otherwise each number becomes the nearest
    """
    changes: dict[str, Any] = {"EXACT": exact}
    if not cancels:
        changes |= {"round_kernel": lambda weight, nearest: nearest(weight.double()), "mean_shift": lambda *_: 0.0}
    with patch.multiple(inference_form, **changes):
        made = to_inference_form(deepcopy(network), dtype=torch.bfloat16)
    for layer in made.modules():
        if not cancels and isinstance(layer, FusedConv | PooledConv) and layer.bias is not None:
            layer.bias = nearest(layer.bias)
    return made


def features_of(network: InceptionV3, images: Tensor) -> Tensor:
    """Features (N, D) of images (N, 3, S, S), batch by batch."""
    return torch.cat([network.forward_features(part, stem_frames=2) for part in torch.split(images, BATCH_FRAMES)])


def compare_forms(network: InceptionV3, images: Tensor) -> None:
    """Print the errors of whole networks, and their time relative to the first of the inference forms."""
    alone = {
        f"{change.__name__.removeprefix('round_')} alone to the nearest bf16": rounded(network, (change,))
        for change in ROUNDINGS
    }
    forms = {
        "all numbers to the nearest bf16": bf16_form(network, cancels=False),
        "biases in fp32, errors of weights cancel": bf16_form(network, cancels=True),
        "and the first layer in fp32": bf16_form(network, cancels=True, exact=EXACT[:1]),
        "and the first two layers in fp32: `bf16`": bf16_form(network, cancels=True, exact=EXACT),
    }
    exact = features_of(network, images).numpy()
    timed = {name: partial(features_of, form, images[:TIMED_FRAMES]) for name, form in forms.items()}
    seconds, _ = alternating_cpu_seconds(timed, TIMED_ROUNDS)
    print(f"{len(images)} frames\n\n| form | relative RMS | lowest cosine | time |\n|---|---|---|---|")
    for name, form in (alone | forms).items():
        found = features_of(form, images).numpy()
        time = f"{seconds[name] / min(seconds.values()):.2f}" if name in seconds else ""
        print(f"| {name} | {relative_rms(found, exact):.2%} | {lowest_cosine(found, exact):.5f} | {time} |", flush=True)


def error(found: Tensor, exact: Tensor) -> float:
    """The relative RMS."""
    return relative_rms(found.numpy(), exact.numpy())


def compare_layers(network: InceptionV3, images: Tensor) -> None:
    """Print the errors of each layer."""
    print("| layer | weights | biases | activations | its outputs if all is rounded up to it |\n|---|---|---|---|---|")
    x = inherited = images
    exact = features_from(network, 0, x)
    for step, name in enumerate(STEPS):
        layer = getattr(network, name)
        introduced = [
            error(features_from(network, step + 1, rounded(layer, (change,))(x)), exact) for change in ROUNDINGS
        ]
        x, inherited = layer(x), rounded(layer, ROUNDINGS)(inherited)
        if any(introduced):
            shares = " | ".join(f"{share:.2%}" for share in introduced)
            print(f"| {name} | {shares} | {error(inherited, x):.2%} |", flush=True)
    print(f"| features | | | | {error(inherited.mean((2, 3)), exact):.2%} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--weights", required=True, help="trained weights of Inception, as --weights of the job")
    parser.add_argument("--forms", action="store_true", help="compare whole networks")
    parser.add_argument("--fps", default="1", help="frames for --forms")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    weights = resolve_weights(arguments.weights, "frames")
    assert weights  # only a PCA can be "none"
    network, variant = build_inception(weights)
    sampled = (islice(sample_frames(path, arguments.fps), None if arguments.forms else 1) for path in arguments.videos)
    frames = [IMAGE_INPUTS[variant].direct(as_image_tensor(sample.image)) for sample in chain.from_iterable(sampled)]
    images = torch.stack(frames).permute(0, 3, 1, 2)
    with torch.inference_mode():
        (compare_forms if arguments.forms else compare_layers)(network, images)


if __name__ == "__main__":
    main()
