"""Streams of videos (`cluster.datasets.video_stream`), and all that they hand out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cluster.datasets.listed_videos import ListedVideos
from cluster.datasets.partitions import PARTS
from cluster.datasets.video_folder import FolderListing
from cluster.datasets.video_stream import VideoStream
from cluster.storage.buckets import StoredFile
from schemas.videos import Video, content_of


def listed(folder: Path, files: Iterator[list[StoredFile]]) -> ListedVideos:
    """The videos of a folder whose files come as they are given."""
    return ListedVideos(FolderListing(str(folder)), files, lambda found: None)


def videos_of(stream: VideoStream) -> dict[str, Video]:
    """All that a stream hands out, each once, by their ids."""
    found: dict[str, Video] = {}
    for part in stream.parts(PARTS):
        if part is None:
            time.sleep(0.001)
            continue
        for place, video in enumerate(part.videos(np.arange(len(part)))):
            assert (part.ids[place].as_py(), part.contents[place].as_py()) == (video.id, content_of(video))
            assert video.id not in found
            found[video.id] = video
    return found
