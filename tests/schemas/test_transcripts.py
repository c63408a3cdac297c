from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from schemas.transcripts import (
    SPOKEN_SCHEMA,
    TRANSCRIPT_SCHEMA,
    TranscriptRow,
    TranscriptWord,
    spoken_words,
    transcript_table,
)

WORDS = (TranscriptWord("bin", 0.5, 0.75, 0.5), TranscriptWord("blau ä", 1.0, 7200.04, 0.25))
ROWS = [
    TranscriptRow("b", "bin blau ä", 0.25, WORDS, 0.5, "m", "r"),
    TranscriptRow("a", "", 1.0, (), 1.0, "m", "r"),
]


def test_everybody_reads_the_shard(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.parquet"
    pq.write_table(transcript_table(ROWS, {"framemill.model": "m"}), path)
    found = pq.read_table(path)
    assert found.schema.remove_metadata() == TRANSCRIPT_SCHEMA
    assert found.schema.metadata == {b"framemill.schema_version": b"1", b"framemill.model": b"m"}
    assert found["id"].to_pylist() == ["a", "b"]
    first = {"word": "bin", "start": 0.5, "end": 0.75, "score": 0.5}
    assert found["words"].to_pylist()[1][0] == first
    assert pd.read_parquet(path)["words"][1][0] == first
    assert list(spoken_words(found.select(SPOKEN_SCHEMA.names))) == [("a", ()), ("b", WORDS)]
