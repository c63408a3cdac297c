"""The events of videos as WebVTT: a file for each video, which players show as subtitles; in a folder or a bucket.

In: tables of label shards with the columns of `EVENTS_SCHEMA`. Out, below a folder:

    ID.vtt     a cue for each event, in the order of their starts: the class and its score, as in `walking 0.87`. A note
               before them has the video's id. A video without events has a file without cues
    index.csv  id, file: the videos of the last write. It is written last

An id that reads like a plain name is the file's name; any other, and one that differs from a former one only in case,
gives the first 24 hexadecimal digits of its SHA-256. So no path is built from an id, and files of a write get into each
other's way on no disk.

Format: https://www.w3.org/TR/webvtt1/. Times are those of a player: seconds after the first frame. Class names and ids
have `&`, `<` and `>` as references, so that `-->` cannot occur, and invisible characters as escapes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from cluster.storage import files
from cluster.storage.output_file import output_file
from schemas.cells import csv_lines
from schemas.text import visible
from schemas.timelines import NamedEvent, VideoEvents, video_events

INDEX_FILE = "index.csv"
INDEX_COLUMNS = ("id", "file")
HASH_CHARACTERS = 24
MAX_REQUESTS = 16  # at the same time
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)  # names that Windows keeps for itself
HASH = re.compile(rf"[0-9a-f]{{{HASH_CHARACTERS}}}", re.IGNORECASE)


def write_vtt(folder: str, tables: Iterable[pa.Table]) -> int:
    """Write the files of all videos and their index, replacing those of the same names; returns how many videos.

    Raises:
        OSError, cluster.storage.files.StorageError: where they cannot be written.
    """
    count = 0
    taken: set[str] = set()
    with output_file(files.join(folder, INDEX_FILE)) as index, ThreadPoolExecutor(MAX_REQUESTS) as pool:
        index.write(csv_lines([INDEX_COLUMNS]))
        for table in tables:
            named = {_file_name(video.id, taken): video for video in video_events(table)}
            writes = [
                pool.submit(files.write_bytes, files.join(folder, name), vtt_text(video).encode())
                for name, video in named.items()
            ]
            for write in writes:
                write.result()
            index.write(csv_lines((video.id, name) for name, video in named.items()))
            count += len(named)
    return count


def _file_name(video_id: str, taken: set[str]) -> str:
    """The name of a video's file, none of those that are `taken`, in whatever case; then it is, too."""
    stem = file_stem(video_id)
    if stem.lower() in taken:
        stem = _hash(video_id)
    taken.add(stem.lower())
    return f"{stem}.vtt"


def file_stem(video_id: str) -> str:
    """The name of a video's file, without its suffix, where no other id differs from its own only in case."""
    is_plain = PLAIN.fullmatch(video_id) and not DEVICE.fullmatch(video_id) and not HASH.fullmatch(video_id)
    return video_id if is_plain else _hash(video_id)


def _hash(video_id: str) -> str:
    return hashlib.sha256(video_id.encode()).hexdigest()[:HASH_CHARACTERS]


def vtt_text(video: VideoEvents) -> str:
    """The content of a video's file."""
    return "\n\n".join(["WEBVTT", f"NOTE {_escaped(video.id)}", *map(_cue, video.events)]) + "\n"


def _cue(event: NamedEvent) -> str:
    start, end = (round(seconds * 1000) for seconds in (event.start_seconds, event.end_seconds))
    end = max(end, start + 1)  # a cue takes time
    return f"{timestamp(start)} --> {timestamp(end)}\n{_escaped(event.name)} {event.score:.2f}"


def timestamp(milliseconds: int) -> str:
    """A time as `01:02:03.004`; hours take as many digits as they need, and two at least."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}"


def _escaped(text: str) -> str:
    return visible(text, kept="").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
