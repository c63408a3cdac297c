"""What a file that was exported takes, checked: pictures, uint8 (N, T, H, W, C), and the state after earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.exports import ExportedModel

State = Mapping[str, NDArray[Any]]


def initial_state(exported: ExportedModel, videos: int) -> dict[str, NDArray[Any]]:
    """The state of N videos before their first frames, by the names of inputs."""
    return {one.input: np.zeros((videos, *one.shape), one.dtype) for one in exported.state}


def feed_of(
    exported: ExportedModel, pictures: NDArray[np.uint8], state: State | None = None
) -> dict[str, NDArray[Any]]:
    """All inputs by name; without a state, that of videos at their start.

    Raises:
        ValueError: for pictures of another size than the network's, or a state that does not fit.
    """
    form = exported.clips.format
    frames = form.frames if not exported.state else pictures.shape[1]
    size = (len(pictures), frames, form.height, form.width, form.channels)
    if pictures.shape != size or pictures.dtype != np.uint8:
        raise ValueError(
            f"{exported.model} takes {exported.input} of shape (N, {', '.join(map(str, size[1:]))}), uint8, got "
            f"{pictures.shape}, {pictures.dtype}"
        )
    given = state or initial_state(exported, len(pictures))
    feed: dict[str, NDArray[Any]] = {exported.input: pictures}
    for one in exported.state:
        shape, value = (len(pictures), *one.shape), given.get(one.input)
        if value is None or value.shape != shape:
            found = "missing" if value is None else str(value.shape)
            raise ValueError(f"the state's {one.input} is {found}, not {shape}: a state belongs to a network")
        feed[one.input] = value
    return feed
