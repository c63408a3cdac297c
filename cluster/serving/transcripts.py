"""The transcript of a video for a client: the shard that `jobs/transcribe_lips.py` would write, and what is made of it.

In: what a lip reader has read in a video. Out: `TranscriptResult`, the bytes of a shard with one row, whose id is that
of the request; and from it JSON and subtitles.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.serving.readers import ServedReader
from cluster.storage.parquet import encode_table
from cluster.transcription.subtitles import FORMS, cues
from cluster.transcription.transcriber import Transcript
from schemas.transcripts import TranscriptRow, spoken_words, transcript_table

SHOWN = ("text", "score", "coverage", "words")  # columns that clients are told


@dataclass(frozen=True)
class TranscriptResult:
    """The transcript shard of one video by one model; `between` stands between two words."""

    model: str
    shard: bytes
    between: str

    @cached_property
    def table(self) -> pa.Table:
        """The shard's only row."""
        return pq.read_table(io.BytesIO(self.shard))

    @property
    def files(self) -> Mapping[str, Callable[[], bytes]]:
        """Its bytes in every form, by the names of files."""
        return {
            "results.parquet": lambda: self.shard,
            "subtitles.vtt": lambda: self.subtitles("vtt"),
            "subtitles.srt": lambda: self.subtitles("srt"),
        }

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        (row,) = self.table.to_pylist()
        return {"model": self.model, **{name: row[name] for name in SHOWN}}

    def subtitles(self, form: str) -> bytes:
        """Its words as subtitles, `vtt` or `srt`."""
        ((name, words),) = spoken_words(self.table)
        return FORMS[form](name, cues(words, self.between)).encode()


def transcript_of(transcript: Transcript, video_id: str, model: ServedReader, *, run_id: str) -> TranscriptResult:
    """The result that goes with what was read in a video."""
    row = TranscriptRow(
        id=video_id,
        text=transcript.text,
        score=transcript.score,
        words=transcript.words,
        coverage=transcript.coverage,
        model=model.reader.name,
        run_id=run_id,
    )
    shard = encode_table(transcript_table([row], model.manner.about))
    return TranscriptResult(model.name, shard, model.manner.stage.decoding.between)
