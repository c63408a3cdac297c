"""The properties of a coded packet that selective decoding relies on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class UnsureStructureError(Exception):
    """The stream's structure is not reliable, so every frame must be decoded. The message is the evidence."""


class Picture(NamedTuple):
    """One packet in decoding order, as described by its syntax.

    random_access   a decoder that starts here decodes this packet and all later ones exactly, except the pictures with
                    `needs_previous`
    needs_previous  a leading picture of an open group: shown before the random access picture that it follows in
                    decoding order, it may refer to pictures before that one
    disposable      leaves the decoder's state unchanged: no other packet's pixels depend on it
    has_parameters  has new parameter sets, so it must reach the decoder
    shown           gives a frame on screen (False for alternate reference frames)

    A tuple, because there is one for every packet and a frozen dataclass takes four times as long to create.
    """

    random_access: bool = False
    needs_previous: bool = False
    disposable: bool = False
    has_parameters: bool = False
    shown: bool = True


PictureReader = Callable[[bytes], Picture]
"""Packet payload to `Picture`; raises `UnsureStructureError` if the syntax is unknown, broken or unusual."""

INTRA = Picture(random_access=True, disposable=True)
"""Every packet of an intra-only codec: independent of all others."""
