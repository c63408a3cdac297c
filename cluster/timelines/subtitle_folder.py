"""Subtitle files of videos in a folder or a bucket, one for each, under names that are safe on every disk.

In: texts of files by the ids of their videos. Out, below a folder:

    ID.vtt, ID.srt  the files
    index.csv       id, file: the videos of the last write. It is written last

An id that reads like a plain name is the file's name; any other, and one that differs from a former one only in case,
gives the first 24 hexadecimal digits of its SHA-256. So no path is built from an id, and files of a write get into each
other's way on no disk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from cluster.storage import files
from cluster.storage.output_file import output_file
from schemas.cells import csv_lines

INDEX_FILE = "index.csv"
INDEX_COLUMNS = ("id", "file")
HASH_CHARACTERS = 24
MAX_REQUESTS = 16  # at the same time
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)  # names that Windows keeps for itself
HASH = re.compile(rf"[0-9a-f]{{{HASH_CHARACTERS}}}", re.IGNORECASE)


def write_subtitles(folder: str, suffix: str, parts: Iterable[Mapping[str, str]]) -> int:
    """Write the files of all videos and their index, replacing those of the same names; returns how many videos.

    `parts` are texts by the ids of their videos, some at a time.

    Raises:
        OSError, cluster.storage.files.StorageError: where they cannot be written.
    """
    count = 0
    taken: set[str] = set()
    with output_file(files.join(folder, INDEX_FILE)) as index, ThreadPoolExecutor(MAX_REQUESTS) as pool:
        index.write(csv_lines([INDEX_COLUMNS]))
        for part in parts:
            named = {_stem(video_id, taken) + suffix: (video_id, text) for video_id, text in part.items()}
            writes = [
                pool.submit(files.write_bytes, files.join(folder, name), text.encode())
                for name, (_, text) in named.items()
            ]
            for write in writes:
                write.result()
            index.write(csv_lines((video_id, name) for name, (video_id, _) in named.items()))
            count += len(named)
    return count


def _stem(video_id: str, taken: set[str]) -> str:
    """The name of a video's file, none of those that are `taken`, in whatever case; then it is, too."""
    stem = file_stem(video_id)
    if stem.lower() in taken:
        stem = _hash(video_id)
    taken.add(stem.lower())
    return stem


def file_stem(video_id: str) -> str:
    """The name of a video's file, without its suffix, where no other id differs from its own only in case."""
    is_plain = PLAIN.fullmatch(video_id) and not DEVICE.fullmatch(video_id) and not HASH.fullmatch(video_id)
    return video_id if is_plain else _hash(video_id)


def _hash(video_id: str) -> str:
    return hashlib.sha256(video_id.encode()).hexdigest()[:HASH_CHARACTERS]
