"""Exact seeking: reading from the group of pictures that holds a given time.

Only the indices of MP4/MOV and Matroska/WebM give packets the same timestamps wherever reading starts. In other
containers a segment is reached by reading everything before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import dropwhile

from av.packet import Packet
from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.bitstream.registry import reader_for
from extractors.video.groups import Group, read_groups
from extractors.video.media import Media

INDEXED_FORMATS = ("mov", "matroska")
MARGINS_SECONDS = (0, 4, 16, 64, 256)
NEARBY_SECONDS = 10  # up to this distance, reading on costs no more than seeking


def can_seek(media: Media) -> bool:
    """Whether a segment of this file can be reached without reading everything before it."""
    return media.format in INDEXED_FORMATS


def groups_at(
    media: Media, read: Callable[[], Iterator[Packet[VideoStream]]], target_pts: int, preroll_seconds: Fraction
) -> Iterator[tuple[Group, Group | None]]:
    """The groups of `media` from the one with the frame on screen at `target_pts` on, as from `read_groups`.

    `read` returns the packets of `media.container` from its current position. Reading starts at least
    `preroll_seconds` before the target; where the index leads to a later key frame, the search moves further back.
    """
    stream = media.video
    assert stream.time_base is not None
    target_pts -= math.ceil(preroll_seconds / stream.time_base)
    for margin_seconds in MARGINS_SECONDS:
        media.container.seek(target_pts - int(margin_seconds / stream.time_base), stream=stream, backward=True)
        groups = read_groups(media, _from_random_access(stream, read()))
        opening = next(groups, None)
        if opening is not None and opening[0].frames[0].pts <= target_pts:
            yield opening
            yield from groups
            return
    raise UnsureStructureError(f"no random access picture before timestamp {target_pts}")


def _from_random_access(stream: VideoStream, packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    context = stream.codec_context
    read_picture = reader_for(context.codec.canonical_name, context.extradata)
    assert read_picture is not None

    def is_before(packet: Packet[VideoStream]) -> bool:
        try:
            return not packet.size or not read_picture(bytes(packet)).random_access
        except UnsureStructureError:
            return True

    return dropwhile(is_before, packets)
