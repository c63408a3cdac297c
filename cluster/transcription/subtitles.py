"""Transcripts as subtitles: SubRip (`.srt`) or WebVTT (`.vtt`), which players show while the video runs.

In: tables of `SPOKEN_SCHEMA`. Out: a file for each video below a folder (`cluster.timelines.subtitle_folder`). Words
come together in a cue until there is a pause, or the cue is as long as people can read; it lasts from its first word to
its last. A transcript without words has a file without cues.

Formats: https://www.w3.org/TR/webvtt1/; SubRip, as players read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cluster.timelines.subtitle_folder import write_subtitles
from cluster.timelines.webvtt import escaped, timestamp
from schemas.text import visible
from schemas.transcripts import TranscriptWord, spoken_words

PAUSE_SECONDS = 1.0
MAX_SECONDS = 6.0
MAX_CHARACTERS = 42  # of a line, as broadcasters have it


@dataclass(frozen=True)
class Cue:
    """A line of text, and when it is shown."""

    start_milliseconds: int
    end_milliseconds: int
    text: str


def write_transcripts(folder: str, form: str, tables: Iterable[pa.Table], between: str = " ") -> int:
    """Write the subtitles of all transcripts, as `srt` or `vtt`; returns how many.

    `between` stands between two words.

    Raises:
        OSError, cluster.storage.files.StorageError: where they cannot be written.
    """
    text_of = FORMS[form]
    parts = ({name: text_of(name, cues(words, between)) for name, words in spoken_words(table)} for table in tables)
    return write_subtitles(folder, f".{form}", parts)


def cues(words: Sequence[TranscriptWord], between: str = " ") -> list[Cue]:
    """The cues of the words of a video, none before the one before it has ended."""
    found: list[Cue] = []
    for group in _groups(words, between):
        start = max(round(group[0].start * 1000), found[-1].end_milliseconds if found else 0)
        end = max(round(group[-1].end * 1000), start + 1)  # a cue takes time
        found.append(Cue(start, end, between.join(word.word for word in group)))
    return found


def _groups(words: Sequence[TranscriptWord], between: str) -> Iterator[list[TranscriptWord]]:
    group: list[TranscriptWord] = []
    for word in words:
        if group and (
            word.start - group[-1].end > PAUSE_SECONDS
            or word.end - group[0].start > MAX_SECONDS
            or len(between.join(one.word for one in [*group, word])) > MAX_CHARACTERS
        ):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def srt_text(name: str, shown: Sequence[Cue]) -> str:
    """The content of a SubRip file, which has no place for the id of its video."""
    blocks = [
        f"{number}\n{_comma(cue.start_milliseconds)} --> {_comma(cue.end_milliseconds)}\n{visible(cue.text, kept='')}\n"
        for number, cue in enumerate(shown, 1)
    ]
    return "\n".join(blocks)


def vtt_text(name: str, shown: Sequence[Cue]) -> str:
    """The content of a WebVTT file; a note has the id of its video."""
    blocks = [
        f"{timestamp(cue.start_milliseconds)} --> {timestamp(cue.end_milliseconds)}\n{escaped(cue.text)}"
        for cue in shown
    ]
    return "\n\n".join(["WEBVTT", f"NOTE {escaped(name)}", *blocks]) + "\n"


def _comma(milliseconds: int) -> str:
    return timestamp(milliseconds).replace(".", ",")


FORMS: Mapping[str, Callable[[str, Sequence[Cue]], str]] = {"srt": srt_text, "vtt": vtt_text}
