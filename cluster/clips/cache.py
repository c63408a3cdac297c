"""A cache of decoded clips on disk or in a bucket, for training that uses the same clips in many epochs.

    part-00000-WRITER.parquet   clips as JPEG frames (`schemas.cached_clips`), a row per video; optical flow as JPEGs
                                of its own, after those of RGB where a clip has both

A shard is written atomically, so a visible one is complete. All shards of a folder hold clips of one form, such as a
format and a sampling, which their metadata name; a cache of another one is refused. Pixels are stored as decoded,
before a model's normalisation.

With random sampling, a video may have several views, of which an epoch takes one: fewer than decoding anew would give.
Of a video that is stored twice, because its content has changed, the later row counts.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cluster.clips.decoder_pool import Task
from cluster.storage import files
from cluster.storage.files import on_disk
from cluster.storage.listing import list_files
from extractors.clips.sampling import ClipSampling
from extractors.video.grid import as_fps
from extractors.video.jpeg import decode_jpegs, encode_jpegs
from schemas.cached_clips import CLIP_SCHEMA, ClipRow, clip_table
from schemas.clips import ClipFormat
from schemas.errors import InputError
from schemas.lips import LipInput
from schemas.videos import Video, content_of, is_same_content

CLIPS_KEY = b"framemill.clips"
VERSION = 1  # of decoding and resizing; clips of another version do not mix with these
MAX_SHARD_ROWS = 512
MAX_SHARD_BYTES = 128 << 20
RGB_CHANNELS = 3
GROUP_ROWS = 4  # all are read for one of them
ADVICE = "Give another folder for the cache, or move this one away: it is created again"


class ClipCacheError(InputError):
    """An unusable cache; the message says why and what to do."""


@dataclass(frozen=True)
class CachedClip:
    """The clips of a video, in row `row` of a shard."""

    id: str
    labels: tuple[int, ...]
    split: str
    views: int
    content: str
    shard: str
    row: int


def clip_row(
    video: Video, labels: tuple[int, ...], clips: NDArray[np.uint8], fps: str | None, *, content: str = ""
) -> ClipRow:
    """The row that stores the clips (V, T, H, W, C) of `video` at `fps`; `content` is the version of its bytes."""
    views, frames, height, width, channels = clips.shape
    images = clips.reshape(views * frames, height, width, channels)
    return ClipRow(
        id=video.id,
        labels=labels,
        split=video.split,
        views=views,
        frames=tuple(jpeg for layers in _layers(channels) for jpeg in encode_jpegs(images[..., layers])),
        width=width,
        height=height,
        fps=None if fps is None else float(as_fps(fps)),
        content=content or content_of(video),
        uri=video.uri,
    )


class ClipCache:
    """The clips of one `form` at `root`. A context manager: shards of buckets stay on local disk until it exits."""

    def __init__(self, root: str, form: Mapping[str, Any]) -> None:
        self.root = root
        self._layers = _layers(form.get("channels", RGB_CHANNELS))
        self._fingerprint = json.dumps({"version": VERSION, **form}, sort_keys=True)
        self._kept = ExitStack()
        self._open: dict[str, pq.ParquetFile] = {}
        self._index: dict[str, CachedClip] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()
        self._open.clear()

    def index(self) -> Mapping[str, CachedClip]:
        """The cached clips, by id of their video.

        Raises:
            ClipCacheError: for a cache of another form, and for other files.
        """
        if self._index is None:
            self._index = {
                values["id"]: CachedClip(**values | {"labels": tuple(values["labels"])}, shard=shard, row=row)
                for shard in self._shards()
                for row, values in enumerate(self._rows(shard))
            }
        return self._index

    def missing(self, videos: Iterable[Video]) -> list[Video]:
        """Those of `videos` that are not cached, or whose content has changed since."""
        index = self.index()
        return [
            video
            for video in videos
            if video.id not in index or not is_same_content(index[video.id].content, content_of(video))
        ]

    def write(self, rows: Iterable[ClipRow], *, writer: str = "0") -> int:
        """Add `rows` and return the number of shards written. Concurrent writers need different names."""
        self.index()  # refuses a cache of another form
        numbers = [int(posixpath.basename(shard).split("-")[1].split(".")[0]) for shard in self._shards()]
        start, count = max(numbers, default=-1) + 1, 0
        for batch in _batches(rows):
            table = clip_table(batch, {CLIPS_KEY.decode(): self._fingerprint})
            buffer = BytesIO()
            # JPEGs do not compress further.
            pq.write_table(table, buffer, row_group_size=GROUP_ROWS, compression="none", use_dictionary=False)
            name = f"part-{start + count:05d}-{writer}.parquet"
            files.write_bytes(files.join(self.root, name), buffer.getbuffer())
            count += 1
        self._index = None
        return count

    def clips(self, cached: CachedClip, view: int | None = None) -> NDArray[np.uint8]:
        """All clips (V, T, H, W, C) of a video, or one view, (1, T, H, W, C)."""
        group, row = divmod(cached.row, GROUP_ROWS)
        try:
            frames = self._shard(cached.shard).read_row_group(group, ["frames"])["frames"][row].as_py()
            count = len(frames) // len(self._layers) // cached.views
            first, stop = (0, cached.views) if view is None else (view, view + 1)
            parts = []
            for number, layers in enumerate(self._layers):
                start = number * count * cached.views
                jpegs = frames[start + first * count : start + stop * count]
                parts.append(decode_jpegs(jpegs, channels=layers.stop - layers.start))
            images = np.concatenate(parts, axis=3) if len(parts) > 1 else parts[0]
        except (ValueError, OSError, pa.ArrowException) as error:
            raise ClipCacheError(
                f"{cached.shard}: the clips of {cached.id!r} cannot be read: {error}\n{ADVICE}"
            ) from error
        return images.reshape(-1, count, *images.shape[1:])

    def _shards(self) -> list[str]:
        if not files.exists(self.root):
            return []
        return sorted(file.uri for file in list_files(self.root) if file.uri.endswith(".parquet"))

    def _rows(self, shard: str) -> list[dict[str, Any]]:
        parquet = self._shard(shard)
        schema = parquet.schema_arrow
        if schema.remove_metadata() != CLIP_SCHEMA:
            raise ClipCacheError(
                f"{shard} is not a shard of clips: its columns are {', '.join(schema.names)}\n{ADVICE}"
            )
        theirs = (schema.metadata or {}).get(CLIPS_KEY, b"{}").decode()
        if theirs != self._fingerprint:
            raise ClipCacheError(f"{shard} holds other clips: {_differences(theirs, self._fingerprint)}\n{ADVICE}")
        rows: list[dict[str, Any]] = parquet.read(["id", "labels", "split", "views", "content"]).to_pylist()
        return rows

    def _shard(self, uri: str) -> pq.ParquetFile:
        if uri not in self._open:
            self._open[uri] = self._kept.enter_context(pq.ParquetFile(self._kept.enter_context(on_disk(uri))))
        return self._open[uri]


def clip_form(clip_format: ClipFormat, sampling: ClipSampling) -> dict[str, Any]:
    """Everything that determines the pixels of clips."""
    of_pixels = {name: value for name, value in clip_format.identity().items() if name not in ("mean", "std")}
    flow = {} if clip_format.flow is None else {"channels": clip_format.channels}
    return {**of_pixels, **flow, **asdict(sampling)}


def mouth_form(look: LipInput, face: int | None) -> dict[str, Any]:
    """Everything that determines the pixels of mouths."""
    of_network = ("channels", "normalisation", "colours")
    return {name: value for name, value in asdict(look).items() if name not in of_network} | {"face": face}


def _layers(channels: int) -> tuple[slice, ...]:
    """The channels of clips that are stored as pictures of their own."""
    return {2: (slice(0, 2),), 5: (slice(0, 3), slice(3, 5))}.get(channels, (slice(0, RGB_CHANNELS),))


def _differences(theirs: str, ours: str) -> str:
    found, expected = json.loads(theirs), json.loads(ours)
    names = [name for name in expected if found.get(name) != expected[name]]
    return "; ".join(f"{name} is {found.get(name)}, expected {expected[name]}" for name in names)


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
    """Clips from a filled cache, in place of a `ClipDecoderPool`."""

    def __init__(self, cache: ClipCache) -> None:
        self._cache = cache

    def decode(self, tasks: Iterable[Task]) -> Generator[NDArray[np.uint8], None, None]:
        """The clip of each task, (T, H, W, C), in order."""
        index = self._cache.index()
        for task in tasks:
            cached = index.get(task.video.id)
            if cached is None:
                raise ClipCacheError(
                    f"{self._cache.root} no longer has a clip of {task.video.id!r}: remove state/lost.json in the "
                    "output to check all videos again"
                )
            yield self._cache.clips(cached, view=0)[0]
