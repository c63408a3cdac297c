"""Loading of public weights into clip classifiers of all families, and into lip readers.

In: the arrays of a public file by key. Out: the model with these weights, and the name of the detected layout. The
layouts are data of the model's class (`PublishedModel.layouts`); a file with the model's own keys is accepted as well.
Every array of the model must come from the file and every array of the file must be used: all missing, unknown and
misshapen arrays are reported at once. Only weights of the model's base network (`ClipModel.base`) fill it in part.

Batch counters, `num_batches_tracked`, are optional; no network uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from classifiers.clip_models.base import HEAD
from classifiers.clip_models.registry import build_clip_model
from classifiers.published_layout import Layout, inflated

OURS = Layout(name="Framemill", rename=())
COUNTER = "num_batches_tracked"
MAX_LISTED = 12  # problems; a file of another network has hundreds


class PublishedModel(Protocol):
    """What a network of public weights has: a module of torch with a `head`."""

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of its public files."""

    def base(self) -> PublishedModel | None:
        """A related network, on the meta device, whose weights can start this one as far as they fit."""

    def state_dict(self) -> dict[str, Tensor]:
        """Its arrays."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Replace its arrays."""


class PublishedWeightsError(ValueError):
    """Weights do not fit the model; the message lists what is missing, unknown or of another shape."""


@dataclass(frozen=True)
class Filled:
    """Weights that were loaded.

    layout     of the file
    left_out   if it is of the model's base network: the keys of the model that the file could not fill
    """

    layout: str
    left_out: tuple[str, ...] = ()


def fill(model: PublishedModel, arrays: Mapping[str, Tensor], *, fresh_head: bool = False) -> Filled:
    """Load public weights into `model`, all or none; those of its base network as far as they fit.

    With `fresh_head`, the head is unchanged and that of the file, with any number of classes, is ignored.

    Raises:
        PublishedWeightsError: if the layout is unknown, or with all problems.
    """
    layout = layout_of(model, arrays)
    state, problems = _state(model, layout, arrays, fresh_head=fresh_head)
    if problems:
        started = _filled_from_base(model, arrays, fresh_head=fresh_head)
        if started is not None:
            return started
        more = [f"and {len(problems) - MAX_LISTED} more"] if len(problems) > MAX_LISTED else []
        raise PublishedWeightsError(
            f"weights in the layout of {layout.name} do not fit {type(model).__name__}: "
            + "; ".join(problems[:MAX_LISTED] + more)
        )
    model.load_state_dict(state)
    return Filled(layout.name)


def layout_of(model: PublishedModel, arrays: Iterable[str]) -> Layout:
    """The layout that maps the most keys to keys of the model.

    Raises:
        PublishedWeightsError: if no layout maps any.
    """
    ours = model.state_dict().keys()
    names = list(arrays)
    layouts = (OURS, *model.layouts)  # ours first: other layouts do not change our keys
    matches = [len(ours & set(layout.keys_of(names).values())) for layout in layouts]
    if not any(matches):
        raise PublishedWeightsError(
            f"{type(model).__name__} takes weights in the layouts of {', '.join(layout.name for layout in layouts)}; "
            f"none of these {len(names)} arrays matches any: {', '.join(sorted(names)[:3]) or 'there are none'}, …"
        )
    return layouts[matches.index(max(matches))]


def published_options(name: str, arrays: Iterable[str]) -> dict[str, object]:
    """The options that model `name` requires for weights with these keys.

    Raises:
        PublishedWeightsError: if the layout is unknown.
        ValueError: if the name is unknown.
    """
    with torch.device("meta"):
        model = build_clip_model(name, num_classes=1)
    return dict(layout_of(model, arrays).options)


def _state(
    model: PublishedModel, layout: Layout, arrays: Mapping[str, Tensor], *, fresh_head: bool
) -> tuple[dict[str, Tensor], list[str]]:
    """The state of the model with the arrays of the file, and all problems."""
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
            problems.append(f"{key} {tuple(value.shape)} is missing")
        else:
            state[key], problem = _converted(model, layout, key, value, origin, arrays[origin])
            problems += [f"{origin} {problem}"] if problem else []
    problems += [f"{origin} is unknown" for key, origin in theirs.items() if not (_is_head(key) and fresh_head)]
    return state, problems


def _filled_from_base(model: PublishedModel, arrays: Mapping[str, Tensor], *, fresh_head: bool) -> Filled | None:
    """Load weights of the base network as far as they fit; None, and nothing loaded, if they are not of it."""
    base = model.base()
    if base is None:
        return None
    layout = layout_of(base, arrays)
    theirs, problems = _state(base, layout, arrays, fresh_head=fresh_head)
    if problems:
        return None
    state = model.state_dict()
    given = {key: array for key, array in theirs.items() if not array.is_meta}  # and not kept from the base network
    fitting = [key for key in state if key in given and _squeezed_shape(given[key]) == _squeezed_shape(state[key])]
    left_out = (key for key in state if key not in fitting and not key.endswith(COUNTER))
    model.load_state_dict(state | {key: given[key].reshape(state[key].shape) for key in fitting})
    return Filled(layout.name, tuple(key for key in left_out if not (_is_head(key) and fresh_head)))


def _is_head(key: str) -> bool:
    return key.startswith(f"{HEAD}.")


def _by_our_keys(layout: Layout, arrays: Iterable[str], problems: list[str]) -> dict[str, str]:
    """The keys of the file by those of the model, without skipped ones and counters."""
    found: dict[str, str] = {}
    for theirs, ours in layout.keys_of(arrays).items():
        if ours is None or ours.endswith(COUNTER):
            continue
        if ours in found:
            problems.append(f"{found[ours]} and {theirs} are both {ours}")
        found[ours] = theirs
    return found


def _converted(
    model: PublishedModel, layout: Layout, key: str, value: Tensor, origin: str, array: Tensor
) -> tuple[Tensor, str]:
    """An array of the file in the shape of the model's `value`, and its problem, empty if there is none."""
    if not array.is_floating_point():
        return value, f"has type {str(array.dtype).removeprefix('torch.')}, not floating point"
    if not array.isfinite().all():
        return value, "has values that are not finite"
    converted = layout.oriented(origin, array)
    if converted.ndim == 4 and value.ndim == 5:
        converted = inflated(converted, value.shape[2])
    if converted.ndim != value.ndim and _squeezed_shape(converted) == _squeezed_shape(value):
        converted = converted.reshape(value.shape)  # a 1 x 1 x 1 convolution for a linear layer
    if converted.shape == value.shape:
        rearranged = layout.rearranged.get(key)
        return (rearranged(model, converted) if rearranged else converted), ""
    if _is_head(key) and converted.ndim and len(converted) != len(value):
        return value, f"has {len(converted)} classes, the model {len(value)}: use a fresh head or as many classes"
    return value, f"has shape {tuple(array.shape)}, {key} has {tuple(value.shape)}"


def _squeezed_shape(array: Tensor) -> list[int]:
    """The dimensions other than 1."""
    return [size for size in array.shape if size != 1]
