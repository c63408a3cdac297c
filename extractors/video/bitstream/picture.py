"""The facts about one coded packet that selective decoding rests on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class UnsureStructureError(Exception):
    """The stream's structure cannot be relied on: it must be decoded whole. The message says what was seen."""


class Picture(NamedTuple):
    """One packet in decoding order, as its syntax describes it.

    random_access   a decoder that starts here from nothing decodes this packet and all that follow it exactly, but for
                    the pictures marked `needs_previous`
    needs_previous  shown before the random access picture that it follows in decoding order, and free to refer to
                    pictures before that one (an open group's leading picture)
    disposable      leaves no trace in the decoder: no other packet's pixels depend on its having been decoded
    has_parameters  brings parameter sets that the decoder does not have yet, so it must reach the decoder
    shown           puts a frame on the screen (false for alternate references that are only referred to)

    A tuple, because there is one for every packet: a frozen dataclass takes four times as long to make.
    """

    random_access: bool = False
    needs_previous: bool = False
    disposable: bool = False
    has_parameters: bool = False
    shown: bool = True


PictureReader = Callable[[bytes], Picture]
"""Packet payload -> `Picture`; raises `UnsureStructureError` where the syntax is unknown, broken or unusual."""

INTRA = Picture(random_access=True, disposable=True)
"""Every packet of an intra-only codec: it depends on nothing, and nothing depends on it."""
