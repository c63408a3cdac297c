"""Subtitles: when words come together, and what the files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.transcription.subtitles import Cue, cues, srt_text, vtt_text, write_transcripts
from schemas.transcripts import SPOKEN_SCHEMA, TranscriptRow, TranscriptWord, transcript_table


def spoken(*words: tuple[str, float, float]) -> tuple[TranscriptWord, ...]:
    return tuple(TranscriptWord(word, start, end, 0.5) for word, start, end in words)


def test_words_come_together_until_there_is_a_pause() -> None:
    words = spoken(("bin", 0.2, 0.4), ("blue", 0.5, 0.75), ("now", 1.8, 2.0), ("set", 2.0, 2.2))
    assert cues(words) == [Cue(200, 750, "bin blue"), Cue(1800, 2200, "now set")]
    assert cues(spoken()) == []
    assert [cue.text for cue in cues(words, "")] == ["binblue", "nowset"]


def test_a_cue_is_no_longer_than_people_read() -> None:
    many = cues(spoken(*[("seventeen", n * 0.4, n * 0.4 + 0.3) for n in range(10)]))
    assert max(len(cue.text) for cue in many) <= 42
    assert sum(len(cue.text.split()) for cue in many) == 10
    slow = cues(spoken(*[("a", n * 1.0, n * 1.0 + 0.5) for n in range(10)]))
    assert max(cue.end_milliseconds - cue.start_milliseconds for cue in slow) <= 6000


def test_cues_follow_each_other() -> None:
    words = spoken(("x" * 40, 0.0, 1.1), ("y" * 40, 1.0, 1.0))
    assert [(cue.start_milliseconds, cue.end_milliseconds) for cue in cues(words)] == [(0, 1100), (1100, 1101)]


def test_the_content_of_files() -> None:
    shown = [Cue(0, 1500, "bin blue"), Cue(3_661_250, 3_700_000, "a <b>\n")]
    assert srt_text("a", shown) == (
        "1\n00:00:00,000 --> 00:00:01,500\nbin blue\n\n2\n01:01:01,250 --> 01:01:40,000\na <b>\\n\n"
    )
    assert vtt_text("a-b", shown) == (
        "WEBVTT\n\nNOTE a-b\n\n"
        "00:00:00.000 --> 00:00:01.500\nbin blue\n\n01:01:01.250 --> 01:01:40.000\na &lt;b&gt;\\n\n"
    )
    assert (srt_text("a", []), vtt_text("a", [])) == ("", "WEBVTT\n\nNOTE a\n")


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_each_video_has_a_file_with_a_safe_name(form: str, tmp_path: Path) -> None:
    rows = [TranscriptRow(name, "bin", 0.5, spoken(("bin", 0.0, 0.5)), 1.0, "m", "r") for name in ("a", "../b", "A")]
    table = transcript_table(rows, {}).select(SPOKEN_SCHEMA.names)
    assert write_transcripts(str(tmp_path), form, [table]) == 3
    names = sorted(path.name for path in tmp_path.iterdir())
    assert f"A.{form}" in names
    assert (len(names), names[-1]) == (4, "index.csv")
    assert all("bin" in (tmp_path / name).read_text() for name in names[:-1])
