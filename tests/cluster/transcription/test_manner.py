"""What a job's options make of a lip reader; `test_plan` has what they refuse."""

from __future__ import annotations

import json

import pytest

from classifiers.inference.lip_reader import LipReader
from cluster.transcription.config import DecodingOptions, MouthOptions, WindowOptions
from cluster.transcription.manner import read_manner
from schemas.errors import InputError
from tests.support.lips import fixed_lips


def test_a_manner_is_a_stage_and_what_its_transcripts_are_known_by() -> None:
    reader = LipReader(fixed_lips())
    decoding = DecodingOptions(beam=3)
    made = read_manner(reader, MouthOptions(), WindowOptions(window=50), decoding, max_pixels=1 << 20, max_frames=100)
    stage = made.stage
    assert (stage.max_pixels, stage.max_frames, stage.mouths.size, stage.decoding.beam) == (1 << 20, 100, 50, 3)
    assert stage.decoding.between == " "
    assert made.fingerprint["windows.frames"] == "50"
    assert made.about["framemill.model"] == reader.name
    assert json.loads(made.about["framemill.decoder"]) == {"decoder.beam": "3"}


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        read_manner(
            LipReader(fixed_lips()),
            MouthOptions(face=1),
            WindowOptions(),
            DecodingOptions(lexicon="grid"),
            max_pixels=1 << 20,
        )
    face, lexicon = caught.value.problems
    assert "--face goes with --crop found" in face
    assert "cannot be spelled" in lexicon
