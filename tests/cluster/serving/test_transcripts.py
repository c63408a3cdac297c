"""A transcript as clients get it."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.serving.config import ServeOptions
from cluster.serving.models import read_models
from cluster.serving.readers import ServedReader
from cluster.serving.transcripts import TranscriptResult, transcript_of
from cluster.transcription.transcriber import Transcript
from schemas.transcripts import TRANSCRIPT_SCHEMA, TranscriptWord
from tests.support.lips import fixed_lips, write_lips

WORDS = (TranscriptWord("ab", 0.5, 1.0, 0.9), TranscriptWord("<b>&-->", 3.0, 3.5, 0.1))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> TranscriptResult:
    place: Path = tmp_path_factory.mktemp("models") / "reader"
    served = read_models(ServeOptions.of(checkpoint=(write_lips(place, fixed_lips()),)))
    model = served.models["reader"]
    assert isinstance(model, ServedReader)
    transcript = Transcript("ab <b>&-->", 0.25, WORDS, 0.75, 100, {"decode": 1.0})
    return transcript_of(transcript, "an id", model, run_id="run")


def test_a_shard_is_that_of_the_job(result: TranscriptResult) -> None:
    table = pq.read_table(io.BytesIO(result.files["results.parquet"]()))
    assert table.schema.remove_metadata() == TRANSCRIPT_SCHEMA
    assert table.schema.metadata[b"framemill.model"].startswith(b"lipnet-keras@")
    (row,) = table.to_pylist()
    assert (row["id"], row["run_id"], row["text"]) == ("an id", "run", "ab <b>&-->")
    assert row["model"] == table.schema.metadata[b"framemill.model"].decode()


def test_json_has_the_row(result: TranscriptResult) -> None:
    plain = result.plain()
    assert list(plain) == ["model", "text", "score", "coverage", "words"]
    assert (plain["model"], plain["score"], plain["coverage"]) == ("reader", 0.25, 0.75)
    assert plain["words"][0] == {"word": "ab", "start": 0.5, "end": 1.0, "score": pytest.approx(0.9)}


def test_subtitles_show_words_as_they_are(result: TranscriptResult) -> None:
    vtt, srt = (result.files[f"subtitles.{form}"]().decode() for form in ("vtt", "srt"))
    assert vtt == (
        "WEBVTT\n\nNOTE an id\n\n00:00:00.500 --> 00:00:01.000\nab\n\n"
        "00:00:03.000 --> 00:00:03.500\n&lt;b&gt;&amp;--&gt;\n"
    )
    assert srt.startswith("1\n00:00:00,500 --> 00:00:01,000\nab\n")
