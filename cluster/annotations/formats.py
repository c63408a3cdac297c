"""The formats of annotations that are read, by name; a name stands for one reader."""

from __future__ import annotations

from cluster.annotations.base import Format
from cluster.annotations.datasets import (
    action_lists,
    activitynet,
    ava,
    charades,
    epic_kitchens,
    finegym,
    grid_align,
    hacs_clips,
    kinetics,
    something,
    thumos,
)
from cluster.annotations.tools import (
    anvil,
    boris,
    cvat_images,
    cvat_video,
    datumaro,
    elan,
    label_studio,
    supervisely,
    table,
    via,
)

ALL = (
    *(supervisely.FORMAT, label_studio.FORMAT, cvat_video.FORMAT, cvat_images.FORMAT, datumaro.FORMAT, via.FORMAT),
    *(elan.FORMAT, anvil.FORMAT, boris.FORMAT, activitynet.FORMAT, hacs_clips.FORMAT, thumos.FORMAT),
    *(action_lists.FORMAT, kinetics.FORMAT, ava.FORMAT, epic_kitchens.FORMAT, charades.FORMAT, finegym.FORMAT),
    *(something.FORMAT, grid_align.FORMAT, table.FORMAT),
)


def _by_name(formats: tuple[Format, ...]) -> dict[str, Format]:
    table: dict[str, Format] = {}
    for one in formats:
        if one.name in table:
            raise ValueError(f"two readers are called {one.name!r}")
        table[one.name] = one
    return table


READERS = _by_name(ALL)
