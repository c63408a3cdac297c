"""Public weights into a clip classifier, strictly: the one door for all families.

In: arrays by the names that a public file gives them. Out: the model with those weights, and the layout that was
recognised. Which layouts there are is data of the model's class (`ClipModel.layouts`); a file of our own keys is one
more. Every array of the model must come from the file and every array of the file must be used: whatever is missing,
unknown or of another shape is told at once.

Counters of batches, `num_batches_tracked`, may be there or not; no network here uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from classifiers.clip_models.base import HEAD, ClipModel
from classifiers.clip_models.published_layout import Layout, inflated
from classifiers.clip_models.registry import build_clip_model

OURS = Layout(name="Framemill", rename=())
COUNTER = "num_batches_tracked"
PARALLEL_PREFIX = "module."  # put before every key by torch.nn.DataParallel
SHOWN = 12  # problems; a file of another network has hundreds


class PublishedWeightsError(ValueError):
    """Weights do not belong to the model; the message says what is missing, unknown or of another shape."""


def fill(model: ClipModel, arrays: Mapping[str, Tensor], *, fresh_head: bool = False) -> str:
    """Put public weights into `model`, all of them or none; returns the name of their layout.

    With `fresh_head` the head stays as it is, and the file's, of whatever number of classes, is left out.

    Raises:
        PublishedWeightsError: if the layout is unknown, or with everything that does not fit.
    """
    layout = layout_of(model, arrays)
    problems: list[str] = []
    theirs = _by_our_keys(layout, arrays, problems)
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        origin = theirs.pop(key, None)
        if key.endswith(COUNTER) or (_is_head(key) and fresh_head):
            state[key] = value
        elif layout.is_one(key) and origin is None:
            state[key] = torch.ones_like(value)
        elif origin is None:
            problems.append(f"nothing is there for {key} {tuple(value.shape)}")
        else:
            state[key], problem = _fitting(model, layout, key, value, arrays[origin])
            problems += [f"{origin} {problem}"] if problem else []
    problems += [f"{origin} is unknown" for key, origin in theirs.items() if not (_is_head(key) and fresh_head)]
    if problems:
        left_out = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise PublishedWeightsError(
            f"weights in the layout of {layout.name} do not fit {type(model).__name__}: "
            + "; ".join(problems[:SHOWN] + left_out)
        )
    model.load_state_dict(state)
    return layout.name


def layout_of(model: ClipModel, arrays: Iterable[str]) -> Layout:
    """The layout by which most of the keys are ours.

    Raises:
        PublishedWeightsError: if none is, by any.
    """
    ours = model.state_dict().keys()
    names = [key.removeprefix(PARALLEL_PREFIX) for key in arrays]
    layouts = (OURS, *model.layouts)  # ours first: other patterns leave our keys as they are
    shares = [len(ours & {layout.key_of(name) for name in names}) for layout in layouts]
    if not any(shares):
        raise PublishedWeightsError(
            f"{type(model).__name__} takes weights in the layouts of {', '.join(layout.name for layout in layouts)}; "
            f"of these {len(names)} arrays none belongs to any: {', '.join(sorted(names)[:3]) or 'there are none'}, …"
        )
    return layouts[shares.index(max(shares))]


def published_options(name: str, arrays: Iterable[str]) -> dict[str, object]:
    """How model `name` is to be configured for weights with these keys, where that differs between its public files.

    Raises:
        PublishedWeightsError: if the layout is unknown.
        ValueError: if the name is.
    """
    with torch.device("meta"):
        model = build_clip_model(name, num_classes=1)
    return dict(layout_of(model, arrays).options)


def _is_head(key: str) -> bool:
    return key.startswith(f"{HEAD}.")


def _by_our_keys(layout: Layout, arrays: Iterable[str], problems: list[str]) -> dict[str, str]:
    """The file's keys by ours, without what is no weight."""
    found: dict[str, str] = {}
    for theirs in arrays:
        ours = layout.key_of(theirs.removeprefix(PARALLEL_PREFIX))
        if ours is None or ours.endswith(COUNTER):
            continue
        if ours in found:
            problems.append(f"{found[ours]} and {theirs} are the same, {ours}")
        found[ours] = theirs
    return found


def _fitting(model: ClipModel, layout: Layout, key: str, value: Tensor, array: Tensor) -> tuple[Tensor, str]:
    """An array of the file in the shape of our `value`, and what is wrong with it, or nothing."""
    if not array.is_floating_point():
        return value, f"holds {str(array.dtype).removeprefix('torch.')}, not floating-point numbers"
    if not array.isfinite().all():
        return value, "has values that are not finite"
    fitting = layout.oriented(array)
    if fitting.ndim == 4 and value.ndim == 5:
        fitting = inflated(fitting, value.shape[2])
    if fitting.ndim != value.ndim and _long(fitting) == _long(value):
        fitting = fitting.reshape(value.shape)  # a 1 x 1 x 1 convolution is a linear layer
    if fitting.shape == value.shape:
        rearranged = layout.rearranged.get(key)
        return (rearranged(model, fitting) if rearranged else fitting), ""
    if _is_head(key) and fitting.ndim and len(fitting) != len(value):
        return value, f"is of {len(fitting)} classes, the model has {len(value)}: keep a fresh head, or build it so"
    return value, f"has shape {tuple(array.shape)}, {key} has {tuple(value.shape)}"


def _long(array: Tensor) -> list[int]:
    """The dimensions that are longer than 1."""
    return [size for size in array.shape if size != 1]
