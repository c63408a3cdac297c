"""MPEG transport streams, to make some that no muxer writes."""

from __future__ import annotations

from collections.abc import Iterator

PACKET_BYTES = 188
PROGRAMMES_PID, SERVICES_PID = 0, 0x11
FIRST_PROGRAMME_PID = 0x1000  # libav's


def packets(data: bytes) -> Iterator[bytes]:
    """The packets of a stream."""
    return (data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES))


def pid(packet: bytes) -> int:
    """The identifier of what a packet belongs to."""
    return int.from_bytes(packet[1:3]) & 0x1FFF


def multiplex(*streams: bytes) -> bytes:
    """Streams of a programme each as one of several: packets in turns, under a common table of programmes."""
    tables = [next(packet for packet in packets(data) if pid(packet) == PROGRAMMES_PID) for data in streams]
    # A section starts at byte 5, its programmes at 13: number and PID, four bytes each, then the checksum.
    section = tables[0][5:13] + b"".join(table[13:17] for table in tables)
    section = section[:1] + (0xB000 | len(section) + 1).to_bytes(2) + section[3:]
    table = (tables[0][:5] + section + checksum(section)).ljust(PACKET_BYTES, b"\xff")
    rest = [[one for one in packets(data) if pid(one) not in (PROGRAMMES_PID, SERVICES_PID)] for data in streams]
    turns = range(max(map(len, rest)))
    return table + b"".join(b"".join(some[turn : turn + 1]) for turn in turns for some in rest)


def resealed(data: bytes, *table_pids: int) -> bytes:
    """`data` with right checksums of the tables, a packet each, in packets with these identifiers."""
    sealed = []
    for packet in packets(data):
        if pid(packet) in table_pids:
            end = 8 + (int.from_bytes(packet[6:8]) & 0xFFF)  # of the section, which starts at byte 5
            packet = packet[: end - 4] + checksum(packet[5 : end - 4]) + packet[end:]
        sealed.append(packet)
    return b"".join(sealed)


def checksum(section: bytes) -> bytes:
    """CRC-32 as MPEG-2 defines it."""
    value = 0xFFFFFFFF
    for byte in section:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
    return value.to_bytes(4)
