"""TensorFlow's sorted tables, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.protobuf import varint

MAGIC = 0xDB4775248B80FB57
TRAILER = bytes(5)  # not compressed, no checksum
Entry = tuple[int, bytes, bytes]  # bytes of the key that are those of the key before, its own bytes, value


def block(entries: Sequence[Entry]) -> bytes:
    """A block without its trailer."""
    parts = [varint(shared) + varint(len(key)) + varint(len(value)) + key + value for shared, key, value in entries]
    return b"".join(parts) + bytes(4) + (1).to_bytes(4, "little")


def table(*blocks: Sequence[Entry], handles: Sequence[int] | None = None) -> bytes:
    """A table of these blocks; `handles` are the numbers of those that its index lists, by default all."""
    content, places = b"", []
    for entries in blocks:
        data = block(entries)
        places.append(varint(len(content)) + varint(len(data)))
        content += data + TRAILER
    listed = range(len(blocks)) if handles is None else handles
    index = block([(0, b"%03d" % number, places[place]) for number, place in enumerate(listed)])
    footer = varint(0) + varint(0) + varint(len(content)) + varint(len(index))
    return content + index + TRAILER + footer.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")
