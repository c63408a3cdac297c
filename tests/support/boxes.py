"""Boxes of MP4 and MOV, to make files that no muxer writes. Their index must be at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

# Boxes of boxes, and the fields before those.
OUTER = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"stsd": 8, b"encv": 78, b"sinf": 0, b"schi": 0}


def box(kind: bytes, content: bytes) -> bytes:
    """A box."""
    return (8 + len(content)).to_bytes(4) + kind + content


def boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of `data` from `at` on: type and content."""
    while at < len(data):
        size = int.from_bytes(data[at : at + 4]) or len(data) - at
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def edited(data: bytes, replaced: Mapping[bytes, Callable[[bytes], bytes]]) -> bytes:
    """A file in which a box of a type in `replaced` is what that makes of its content."""

    def edit(kind: bytes, content: bytes) -> bytes:
        if kind in replaced:
            return replaced[kind](content)
        if kind not in OUTER:
            return box(kind, content)
        fields = content[: OUTER[kind]]
        return box(kind, fields + b"".join(edit(*inner) for inner in boxes(content, len(fields))))

    kinds = [kind for kind, _ in boxes(data)]
    assert kinds.index(b"moov") > kinds.index(b"mdat")
    return b"".join(edit(*outer) for outer in boxes(data))


def with_sample_entry(data: bytes, handler: bytes, fixed: int, extra: Mapping[bytes, bytes]) -> bytes:
    """A file with the boxes `extra` in the sample entry of the track of type `handler` (`vide`, `soun`).

    `fixed` is the size of the entry's fields before its boxes. Boxes of the same types are replaced.
    """

    def track(content: bytes) -> bytes:
        return box(b"trak", content if handler not in content else edited_track(content))

    def edited_track(content: bytes) -> bytes:
        return b"".join(inner(*each) for each in boxes(content))

    def inner(kind: bytes, content: bytes) -> bytes:
        if kind == b"stsd":
            name, entry = next(boxes(content, 8))
            kept = b"".join(box(*each) for each in boxes(entry, fixed) if each[0] not in extra)
            added = b"".join(box(*each) for each in extra.items())
            return box(kind, content[:8] + box(name, entry[:fixed] + kept + added))
        return box(kind, edited_track(content) if kind in OUTER else content)

    return edited(data, {b"trak": track})
