"""The events of videos as WebVTT: a file for each video, which players show as subtitles; in a folder or a bucket.

In: tables of label shards with the columns of `EVENTS_SCHEMA`. Out: `ID.vtt` of each video below a folder
(`cluster.timelines.subtitle_folder`), with a cue for each event, in the order of their starts: the class and its score,
as in `walking 0.87`. A note before them has the video's id. A video without events has a file without cues.

Format: https://www.w3.org/TR/webvtt1/. Times are those of a player: seconds after the first frame. Class names and ids
have `&`, `<` and `>` as references, so that `-->` cannot occur, and invisible characters as escapes.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from cluster.timelines.subtitle_folder import write_subtitles
from schemas.text import visible
from schemas.timelines import NamedEvent, VideoEvents, video_events


def write_vtt(folder: str, tables: Iterable[pa.Table]) -> int:
    """Write the files of all videos and their index, replacing those of the same names; returns how many videos.

    Raises:
        OSError, cluster.storage.files.StorageError: where they cannot be written.
    """
    return write_subtitles(folder, ".vtt", ({one.id: vtt_text(one) for one in video_events(table)} for table in tables))


def vtt_text(video: VideoEvents) -> str:
    """The content of a video's file."""
    return "\n\n".join(["WEBVTT", f"NOTE {escaped(video.id)}", *map(_cue, video.events)]) + "\n"


def _cue(event: NamedEvent) -> str:
    start, end = (round(seconds * 1000) for seconds in (event.start_seconds, event.end_seconds))
    end = max(end, start + 1)  # a cue takes time
    return f"{timestamp(start)} --> {timestamp(end)}\n{escaped(event.name)} {event.score:.2f}"


def timestamp(milliseconds: int) -> str:
    """A time as `01:02:03.004`; hours take as many digits as they need, and two at least."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}"


def escaped(text: str) -> str:
    """A text that is shown as it is."""
    return visible(text, kept="").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
