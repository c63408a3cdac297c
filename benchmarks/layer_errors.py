"""Where bf16 loses: `python benchmarks/layer_errors.py --weights FILE VIDEO ...`.

For each layer of the stem and each block of Inception: the relative RMS of the features if only its weights, biases or
activations are rounded to the nearest bf16, and the error that its outputs have if everything up to it is rounded. The
first three are what a layer introduces, the last is what it passes on. One frame of every video in float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from extractors.networks.image_input import IMAGE_INPUTS, as_image_tensor
from extractors.networks.inception import ConvBlock, InceptionV3
from extractors.video.decode import sample_frames
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import resolve_weights

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


def round_outputs(block: ConvBlock) -> None:
    """Round the activations."""
    block.register_forward_hook(lambda _, inputs, output: nearest(output))


ROUNDINGS: tuple[Callable[[ConvBlock], None], ...] = (round_weights, round_biases, round_outputs)


def rounded(layer: nn.Module, roundings: tuple[Callable[[ConvBlock], None], ...]) -> nn.Module:
    """A copy of a layer or block with its numbers rounded."""
    copy = deepcopy(layer)
    for block in copy.modules():
        if isinstance(block, ConvBlock):
            for change in roundings:
                change(block)
    return copy


def relative_rms(found: Tensor, exact: Tensor) -> float:
    """Root of mean squared difference over mean squared value."""
    return float((found - exact).norm() / exact.norm())


def features_from(network: InceptionV3, step: int, x: Tensor) -> Tensor:
    """Features of the inputs of a step."""
    for name in STEPS[step:]:
        x = getattr(network, name)(x)
    return x.mean((2, 3))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--weights", required=True, help="trained weights of Inception, as --weights of the job")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    weights = resolve_weights(arguments.weights, "frames")
    assert weights  # only a PCA can be "none"
    network, variant = build_inception(weights)
    frames = [next(iter(sample_frames(path))).image for path in arguments.videos]
    images = torch.stack([IMAGE_INPUTS[variant].direct(as_image_tensor(frame)) for frame in frames])

    print("| layer | weights | biases | activations | its outputs if all is rounded up to it |\n|---|---|---|---|---|")
    with torch.inference_mode():
        x = inherited = images.permute(0, 3, 1, 2)
        exact = features_from(network, 0, x)
        for step, name in enumerate(STEPS):
            layer = getattr(network, name)
            introduced = [
                relative_rms(features_from(network, step + 1, rounded(layer, (change,))(x)), exact)
                for change in ROUNDINGS
            ]
            x, inherited = layer(x), rounded(layer, ROUNDINGS)(inherited)
            if any(introduced):
                shares = " | ".join(f"{error:.2%}" for error in introduced)
                print(f"| {name} | {shares} | {relative_rms(inherited, x):.2%} |", flush=True)
        print(f"| features | | | | {relative_rms(inherited.mean((2, 3)), exact):.2%} |")


if __name__ == "__main__":
    main()
