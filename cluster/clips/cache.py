"""Decoded clips on disk or in a bucket, for training that looks at the same ones in many epochs.

    part-00000-WRITER.parquet   clips as JPEG frames (`schemas.cached_clips`), a video a row

A shard is written under a temporary name and renamed, so that one that can be seen is whole. All shards of a folder
hold clips of one format and sampling, which stand in their metadata; a cache of another kind is refused. How a model
normalises its pixels does not matter: those are stored as they were decoded.

Where clips are random, a video may have several, of which an epoch takes one; that is what is lost in comparison with
decoding anew. A video that is there twice, since its content has changed, counts as what was written last.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cluster.clips.decoder import ClipTask
from cluster.storage import files
from cluster.storage.files import on_disk
from cluster.storage.listing import list_files
from extractors.clips.sampling import ClipSampling
from extractors.video.jpeg import decode_jpegs, encode_jpegs
from schemas.cached_clips import CLIP_SCHEMA, ClipRow, clip_table
from schemas.clips import ClipFormat
from schemas.videos import Video, content_of, is_same_content

CLIPS_KEY = b"framemill.clips"
VERSION = 1  # of decoding and resizing: clips made in another way do not mix with these
MAX_SHARD_ROWS = 512
MAX_SHARD_BYTES = 128 << 20
GROUP_ROWS = 4  # that are read for one of them
ADVICE = "Give another folder for the cache, or move this one away: it is made again"


class ClipCacheError(Exception):
    """A cache that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class CachedClip:
    """Where the clips of a video are: in row `row` of a shard."""

    id: str
    labels: tuple[int, ...]
    split: str
    views: int
    content: str
    shard: str
    row: int


def clip_row(
    video: Video, labels: tuple[int, ...], clips: NDArray[np.uint8], clip_format: ClipFormat, *, content: str = ""
) -> ClipRow:
    """The clips (V, T, H, W, 3) of `video` as they are stored; `content` is what is known of its bytes."""
    views, frames, height, width, _ = clips.shape
    return ClipRow(
        id=video.id,
        labels=labels,
        split=video.split,
        views=views,
        frames=tuple(encode_jpegs(clips.reshape(views * frames, height, width, 3))),
        width=width,
        height=height,
        fps=None if clip_format.fps is None else float(Fraction(clip_format.fps)),
        content=content or content_of(video),
        uri=video.uri,
    )


class ClipCache:
    """The clips at `root`. Use as a context: shards of buckets are kept on this machine's disk for as long."""

    def __init__(self, root: str, clip_format: ClipFormat, sampling: ClipSampling) -> None:
        self.root = root
        self._manner = _manner(clip_format, sampling)
        self._frames = clip_format.frames
        self._kept = ExitStack()
        self._open: dict[str, pq.ParquetFile] = {}
        self._index: dict[str, CachedClip] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()
        self._open.clear()

    def index(self) -> Mapping[str, CachedClip]:
        """What is there, by id.

        Raises:
            ClipCacheError: for a cache of another format or sampling, or what is no cache.
        """
        if self._index is None:
            self._index = {
                values["id"]: CachedClip(**values | {"labels": tuple(values["labels"])}, shard=shard, row=row)
                for shard in self._shards()
                for row, values in enumerate(self._rows(shard))
            }
        return self._index

    def lacking(self, videos: Iterable[Video]) -> list[Video]:
        """Those of `videos` that are not there as they are now."""
        index = self.index()
        return [
            video
            for video in videos
            if video.id not in index or not is_same_content(index[video.id].content, content_of(video))
        ]

    def write(self, rows: Iterable[ClipRow], *, writer: str = "0") -> int:
        """Add `rows`; returns how many shards that took. Of several that write at a time each has its own name."""
        self.index()  # nothing is added to a cache of another kind
        numbers = [int(posixpath.basename(shard).split("-")[1].split(".")[0]) for shard in self._shards()]
        start, count = max(numbers, default=-1) + 1, 0
        for batch in _batches(rows):
            table = clip_table(batch, {CLIPS_KEY.decode(): self._manner})
            buffer = BytesIO()
            # JPEGs do not become smaller.
            pq.write_table(table, buffer, row_group_size=GROUP_ROWS, compression="none", use_dictionary=False)
            name = f"part-{start + count:05d}-{writer}.parquet"
            files.write_bytes(files.join(self.root, name), buffer.getbuffer())
            count += 1
        self._index = None
        return count

    def clips(self, cached: CachedClip, view: int | None = None) -> NDArray[np.uint8]:
        """The clips (V, T, H, W, 3) of a video, or one of them, (1, T, H, W, 3)."""
        group, row = divmod(cached.row, GROUP_ROWS)
        try:
            frames = self._shard(cached.shard).read_row_group(group, ["frames"])["frames"][row].as_py()
            wanted = slice(None) if view is None else slice(view * self._frames, (view + 1) * self._frames)
            images = decode_jpegs(frames[wanted])
        except (ValueError, OSError, pa.ArrowException) as error:
            raise ClipCacheError(
                f"{cached.shard}: the clips of {cached.id!r} cannot be read: {error}\n{ADVICE}"
            ) from error
        return images.reshape(-1, self._frames, *images.shape[1:])

    def _shards(self) -> list[str]:
        if not files.exists(self.root):
            return []
        return sorted(file.uri for file in list_files(self.root) if file.uri.endswith(".parquet"))

    def _rows(self, shard: str) -> list[dict[str, Any]]:
        parquet = self._shard(shard)
        schema = parquet.schema_arrow
        if schema.remove_metadata() != CLIP_SCHEMA:
            raise ClipCacheError(f"{shard} is no shard of clips: it has {', '.join(schema.names)}\n{ADVICE}")
        theirs = (schema.metadata or {}).get(CLIPS_KEY, b"{}").decode()
        if theirs != self._manner:
            raise ClipCacheError(f"{shard} holds other clips: {_differences(theirs, self._manner)}\n{ADVICE}")
        rows: list[dict[str, Any]] = parquet.read(["id", "labels", "split", "views", "content"]).to_pylist()
        return rows

    def _shard(self, uri: str) -> pq.ParquetFile:
        if uri not in self._open:
            self._open[uri] = self._kept.enter_context(pq.ParquetFile(self._kept.enter_context(on_disk(uri))))
        return self._open[uri]


def _manner(clip_format: ClipFormat, sampling: ClipSampling) -> str:
    """What decides which pixels there are, as text."""
    of_pixels = {name: value for name, value in asdict(clip_format).items() if name not in ("mean", "std")}
    return json.dumps({"version": VERSION, **of_pixels, **asdict(sampling)}, sort_keys=True)


def _differences(theirs: str, ours: str) -> str:
    there, wanted = json.loads(theirs), json.loads(ours)
    names = [name for name in wanted if there.get(name) != wanted[name]]
    return "; ".join(f"{name} is {there.get(name)}, wanted is {wanted[name]}" for name in names)


def _batches(rows: Iterable[ClipRow]) -> Iterator[list[ClipRow]]:
    batch: list[ClipRow] = []
    size_bytes = 0
    for row in rows:
        batch.append(row)
        size_bytes += row.size_bytes
        if len(batch) >= MAX_SHARD_ROWS or size_bytes >= MAX_SHARD_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


class CachedClips:
    """Reads clips of a cache that has been filled."""

    def __init__(self, cache: ClipCache) -> None:
        self._cache = cache

    def decode(self, tasks: Iterable[ClipTask]) -> Generator[NDArray[np.uint8], None, None]:
        """The clip of each task, (T, H, W, 3), in their order."""
        index = self._cache.index()
        for task in tasks:
            cached = index.get(task.video.id)
            if cached is None:
                raise ClipCacheError(
                    f"{self._cache.root} has no clip of {task.video.id!r} any more: remove state/lost.json in the "
                    "output, for all videos to be looked at again"
                )
            yield self._cache.clips(cached, view=0)[0]
