from __future__ import annotations

import pytest

from cluster.runs.command_line import parse
from cluster.transcription.config import TranscriptionOptions
from schemas.errors import InputError

NEEDED = ["--input", "i", "--checkpoint", "c", "--output", "o"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--overlap 40", "overlap is 40, it must be at most half of window, which is 75"),
        ("--crop fixed --face 1", "--face goes with --crop found"),
        ("--lexicon l --beam 0", "--lexicon needs a --beam of 1 or more"),
        ("--language-model m", "goes with --lexicon"),
        ("--vtt o", "output, srt and vtt must be different places"),
        ("--window 751", "must be between 1 and 750"),
        ("--word-bonus inf --lexicon l", "word-bonus must be"),
    ],
)
def test_options_that_do_not_go_together(line: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse(TranscriptionOptions, [*NEEDED, *line.split()])


def test_the_beam_follows_from_the_lexicon() -> None:
    assert parse(TranscriptionOptions, NEEDED).decoding.width == 0
    assert parse(TranscriptionOptions, [*NEEDED, "--lexicon", "grid"]).decoding.width == 50
    assert parse(TranscriptionOptions, [*NEEDED, "--lexicon", "grid", "--beam", "9"]).decoding.width == 9
