"""The index of an MP4, which numbers its frames without reading them.

In: an open media file. Out: `FrameIndex`, or None where the container has no complete index, as in Matroska and in
fragmented MP4. Frames count from 0 in the order of presentation, without those that an edit list hides.

An index that disagrees with the packets raises `UnsureStructureError`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.full_decode import REORDERED_PICTURES
from extractors.video.groups import Group
from extractors.video.media import Media


@dataclass(frozen=True)
class FrameIndex:
    """The index of an MP4, whose entries are packets in decoding order.

    hidden  positions of the packets that an edit list hides, at the start and at the end
    count   number of the other packets
    """

    stream: VideoStream
    hidden: tuple[int, ...]
    count: int

    @classmethod
    def of(cls, media: Media) -> FrameIndex | None:
        """The index of `media`; None if it lacks packets, as in Matroska and in fragmented MP4."""
        entries = media.video.index_entries
        total = len(entries)
        if media.format != "mov" or not media.video.frames or not 0 < total <= media.video.frames:
            return None
        hidden: tuple[int, ...] = ()
        if any(entry.is_discard for entry in (*entries[:REORDERED_PICTURES], *entries[-REORDERED_PICTURES:])):
            hidden = tuple(number for number, entry in enumerate(entries) if entry.is_discard)
        return cls(media.video, hidden, total - len(hidden))

    def earliest_pts(self, number: int) -> int:
        """A lower bound for the timestamp of frame `number`: the decoding time of the packet at its position."""
        position = number
        for hidden in self.hidden:
            position += hidden <= position
        return self.stream.index_entries[position].timestamp

    def number_of(self, group: Group) -> int:
        """The number of the first frame shown by `group`, the first group read."""
        head = group.frames[0]
        entries = self.stream.index_entries
        position = -1 if head.packet.dts is None else entries.search_timestamp(head.packet.dts, any_frame=True)
        if position < 0 or entries[position].timestamp != head.packet.dts:
            raise UnsureStructureError("a packet is not in the index")
        # Leading pictures that `read_groups` left out precede the first frame shown, and leave gaps in the numbers.
        skipped = group.frames[-1].number - head.number + 1 - len(group.frames)
        return position - bisect_left(self.hidden, position) + skipped
