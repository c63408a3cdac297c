"""Small files that claim much: what they hold takes up to thousands of times their size in memory."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

MIB = 1 << 20
STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Member:
    """A member of a ZIP archive: its bytes in the archive, and what they unpack to."""

    packed: bytes
    method: int
    size_bytes: int
    crc: int

    @classmethod
    def stored(cls, content: bytes) -> Member:
        return cls(content, STORED, len(content), zlib.crc32(content))

    @classmethod
    def zeros(cls, mebibytes: int, start: bytes = b"") -> Member:
        """`start` and zeros after it, deflated to about a thousandth."""
        crc = zlib.crc32(start)
        for _ in range(mebibytes):
            crc = zlib.crc32(bytes(MIB), crc)
        return cls(deflated_zeros(mebibytes, start), DEFLATED, len(start) + mebibytes * MIB, crc)


def deflated_zeros(mebibytes: int, start: bytes = b"", *, wbits: int = -15) -> bytes:
    """`start` and zeros after it, as a deflate stream, made without holding them."""
    first = zlib.compressobj(9, wbits=wbits)
    head = first.compress(start) + first.flush(zlib.Z_FULL_FLUSH)
    block = zlib.compressobj(9, wbits=-15)
    repeated = block.compress(bytes(MIB)) + block.flush(zlib.Z_FULL_FLUSH)
    return head + repeated * mebibytes + b"\x03\x00"  # an empty last block


def write_zip(path: Path, members: Mapping[str, Member], *, overlapping: int = 0) -> Path:
    """An archive of these members; the last one is listed `overlapping` times more, at the same place."""
    content, directory, count = bytearray(), bytearray(), 0
    for name, member in members.items():
        offset, names = len(content), [name]
        if name == list(members)[-1]:
            names += [f"{name[:-1]}{number}" for number in range(1, overlapping + 1)]
        sizes = struct.pack("<HHHHHIII", 20, 0, member.method, 0, 0, member.crc, len(member.packed), member.size_bytes)
        content += b"PK\x03\x04" + sizes + struct.pack("<HH", len(name), 0) + name.encode() + member.packed
        for each in names:
            directory += b"PK\x01\x02" + struct.pack("<H", 20) + sizes
            directory += struct.pack("<HHHHHII", len(each), 0, 0, 0, 0, 0, offset) + each.encode()
            count += 1
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(content), 0)
    path.write_bytes(bytes(content) + bytes(directory) + b"PK\x05\x06" + end)
    return path


def npy_header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    return header.getvalue()


def write_npz_bomb(path: Path, mebibytes: int) -> Path:
    """VGGish's PCA whose vectors are zeros without end."""
    start = npy_header((mebibytes << 17,))
    means = npy_header((128,)) + bytes(128 * 8)
    return write_zip(
        path, {"pca_means.npy": Member.stored(means), "pca_eigen_vectors.npy": Member.zeros(mebibytes, start)}
    )


@dataclass(frozen=True)
class Claim:
    """A float32 tensor as a file of PyTorch describes it."""

    values: int  # of its storage
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0
    storage: str = "0"

    def __reduce__(self) -> tuple[Any, ...]:
        storage = _Storage(self.values, self.storage)
        return torch._utils._rebuild_tensor_v2, (storage, self.offset, self.shape, self.stride, False, OrderedDict())


@dataclass(frozen=True)
class _Storage:
    values: int
    key: str


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return ("storage", torch.FloatStorage, obj.key, "cpu", obj.values) if isinstance(obj, _Storage) else None


def write_torch(path: Path, state: Any, storages: Mapping[str, Member], *, overlapping: int = 0) -> Path:
    """A file of PyTorch whose pickle holds `state`, with `Claim`s for tensors."""
    content = io.BytesIO()
    _Pickler(content, 2).dump(state)
    members = {"a/data.pkl": Member.stored(content.getvalue()), "a/byteorder": Member.stored(b"little")}
    members |= {"a/version": Member.stored(b"3\n")}
    return write_zip(path, members | {f"a/data/{key}": one for key, one in storages.items()}, overlapping=overlapping)


def write_chunk_bomb(path: Path, name: str, shape: Sequence[int], mebibytes: int) -> Path:
    """An HDF5 array of one gzipped chunk that unpacks to more than the chunk holds."""
    with h5py.File(path, "a") as file:
        array = file.create_dataset(name, tuple(shape), "<f4", chunks=tuple(shape), compression="gzip")
        array.id.write_direct_chunk((0,) * len(shape), deflated_zeros(mebibytes, wbits=15))
    return path
