"""The dataset's class names: `vocabulary.csv` beside the shards, which only ever grows.

A name that was given an index keeps it in all later runs, so that shards of different nights agree.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from cluster import storage
from schemas.videos import Video

HEADER = ("index", "name")


class Vocabulary:
    """Names to indices. Labels that are indices already pass through."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)
        self._index = {name: index for index, name in enumerate(self.names)}

    def add(self, videos: Iterable[Video]) -> bool:
        """Take in the names that `videos` use, new ones in alphabetical order. Returns whether there were any."""
        used = {label for video in videos for label in video.labels if isinstance(label, str)}
        new = sorted(used - self._index.keys())
        for name in new:
            self._index[name] = len(self.names)
            self.names.append(name)
        return bool(new)

    def indices(self, video: Video) -> tuple[int, ...]:
        """The class indices of a video's labels."""
        return tuple(self._index[label] if isinstance(label, str) else label for label in video.labels)


def read_vocabulary(uri: str) -> Vocabulary:
    """The vocabulary at `uri`, empty where there is none yet."""
    if not storage.exists(uri):
        return Vocabulary()
    try:
        header, *rows = csv.reader(io.StringIO(storage.read_bytes(uri).decode("utf-8-sig")))
        indices, names = zip(*rows, strict=True) if rows else ((), ())
    except (ValueError, csv.Error):
        header, indices, names = [], (), ()
    if tuple(header) != HEADER or indices != tuple(map(str, range(len(indices)))) or len(set(names)) < len(names):
        raise storage.StorageError(
            f"{uri} is no vocabulary: expected the columns {', '.join(HEADER)}, indices from 0 on, each name once"
        )
    return Vocabulary(names)


def write_vocabulary(uri: str, vocabulary: Vocabulary) -> None:
    """Replace the vocabulary at `uri`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a bare \r would end the row
    writer.writerow(HEADER)
    writer.writerows(enumerate(vocabulary.names))
    storage.write_bytes(uri, text.getvalue().encode())
