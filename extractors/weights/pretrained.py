"""Networks and projections built from resolved weights, in float32.

In: `ResolvedWeights`. Out: an `InceptionV3` and the name of its variant, a `VGGish`, or a `Pca`. A file's keys and
shapes must match the network exactly; the number of classes determines the Inception variant.

Random weights are seeded per tensor by its key (He initialisation, unit batch norm), so that they do not depend on the
order of layers. `packed` has them written as one .safetensors file for all processes of a machine.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from extractors.networks.inception import VARIANTS, InceptionV3
from extractors.networks.pca import Pca, random_pca
from extractors.networks.sizes import EMBEDDING_DIM, FEATURE_DIM
from extractors.networks.vggish import VGGish, vggish
from extractors.weights.content import WeightsError
from extractors.weights.formats import read_state
from extractors.weights.pca_formats import read_pca, write_pca
from extractors.weights.resolve import ResolvedWeights
from extractors.weights.torch_files import StateDict
from schemas.budget import weights_budget

RANDOM_VARIANT = "inception-2015"
VARIANT_BY_CLASSES = {1008: "inception-2015", 1000: "inception-imagenet", 0: "inception-keras"}
UNUSED_PREFIX = "AuxLogits."
PCA_WIDTHS: dict[str, int] = {"frame-pca": FEATURE_DIM, "sound-pca": EMBEDDING_DIM}
MAX_LISTED = 5


def build_inception(weights: ResolvedWeights) -> tuple[InceptionV3, str]:
    """The frame network in float32, and the name of its variant."""
    if (seed := weights.seed_to_draw) is not None:
        with torch.device("meta"):
            network = VARIANTS[RANDOM_VARIANT]()
        network.load_state_dict(random_state(network, seed), assign=True)
        return network.eval(), RANDOM_VARIANT
    path = _path(weights)
    with torch.device("meta"):
        budget = weights_budget(VARIANTS[RANDOM_VARIANT]())
    state = {key: value for key, value in read_state(path, budget).items() if not key.startswith(UNUSED_PREFIX)}
    classes = len(state["fc.bias"]) if "fc.bias" in state else None
    if classes not in VARIANT_BY_CLASSES:
        raise WeightsError(
            f"{path} is not a supported Inception v3: 'fc.bias' has {classes or 'no'} values, "
            f"supported are {', '.join(f'{number} ({name})' for number, name in VARIANT_BY_CLASSES.items())}"
        )
    assert classes is not None
    variant = VARIANT_BY_CLASSES[classes]
    with torch.device("meta"):
        network = VARIANTS[variant]()
    network.AuxLogits = None
    load_strictly(network, state, path)
    return network.eval(), variant


def build_vggish(weights: ResolvedWeights) -> VGGish:
    """The audio network in float32."""
    with torch.device("meta"):
        network = vggish()
    if (seed := weights.seed_to_draw) is not None:
        network.load_state_dict(random_state(network, seed), assign=True)
    else:
        load_strictly(network, read_state(_path(weights), weights_budget(network)), _path(weights))
    return network.eval()


def build_pca(weights: ResolvedWeights) -> Pca:
    """The projection for the features of its kind.

    Raises:
        WeightsError: if the projection is for features of another width.
    """
    width = PCA_WIDTHS[weights.kind]
    if weights.seed is not None and weights.path is None:
        return random_pca(weights.seed, dims_in=width)
    pca = read_pca(_path(weights))
    if pca.mean.size != width:
        raise WeightsError(f"PCA {weights.spec} takes features of width {pca.mean.size}, {weights.kind} needs {width}")
    return pca


def build_network(weights: ResolvedWeights) -> InceptionV3 | VGGish | Pca:
    """What the weights are of. Raises `WeightsError` where they cannot be used."""
    if weights.kind in PCA_WIDTHS:
        return build_pca(weights)
    return build_inception(weights)[0] if weights.kind == "frames" else build_vggish(weights)


def write_packed(weights: ResolvedWeights, path: Path) -> None:
    """Write a network or a projection as .safetensors. Raises `WeightsError` where the weights cannot be used."""
    built = build_network(weights)
    if isinstance(built, Pca):
        write_pca(built, path)
    else:
        save_file({key: value.contiguous() for key, value in built.state_dict().items()}, path)


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict whose keys and shapes match exactly, as float32; old files may lack the batch counters.

    Raises:
        WeightsError: if keys are missing, unknown or of another shape; the message lists them.
    """
    expected = network.state_dict()
    counters = {key: torch.zeros((), dtype=torch.int64) for key in expected if key.endswith("num_batches_tracked")}
    complete = counters | {key: state[key] for key in expected if key in state}
    problems = [f"missing {key}" for key in expected if key not in complete]
    problems += [f"unknown {key}" for key in state if key not in expected]
    problems += [
        f"{key} has shape {tuple(value.shape)}, not {tuple(expected[key].shape)}"
        for key, value in complete.items()
        if value.shape != expected[key].shape
    ]
    problems += [
        f"{key} has type {str(value.dtype).removeprefix('torch.')}, not floating point"
        for key, value in complete.items()
        if expected[key].is_floating_point() and not value.is_floating_point()
    ]
    if problems:
        more = f"; and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise WeightsError(f"{path} does not fit {type(network).__name__}: {'; '.join(problems[:MAX_LISTED])}{more}")
    numbers = {key: value.float() if value.is_floating_point() else value for key, value in complete.items()}
    network.load_state_dict(numbers, assign=True)


def random_state(network: nn.Module, seed: int) -> StateDict:
    """He-initialised weights for every key of a network, each from a generator seeded by (seed, key)."""
    state: StateDict = {}
    for key, value in network.state_dict().items():
        if value.dim() >= 2:
            generator = np.random.default_rng([seed, zlib.crc32(key.encode())])
            scale = math.sqrt(2.0 / math.prod(value.shape[1:]))
            state[key] = torch.from_numpy(generator.standard_normal(value.shape, dtype=np.float32)).mul_(scale)
        else:
            is_scale = key.endswith((".running_var", ".bn.weight"))
            state[key] = torch.full(value.shape, float(is_scale), dtype=value.dtype)
    return state


def _path(weights: ResolvedWeights) -> Path:
    if weights.path is None:
        raise WeightsError(f"weights {weights.spec!r} have neither a path nor a seed; call resolve_weights first")
    return Path(weights.path)
