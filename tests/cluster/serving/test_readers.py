"""Lip readers among the models of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.serving.config import ServeOptions
from cluster.serving.models import LENGTH, STILL, read_models
from cluster.serving.readers import ServedReader, unread
from cluster.transcription.transcriber import LipTranscriber
from schemas.errors import InputError
from tests.support.clips import trained_stream
from tests.support.lips import fixed_lips, write_lips


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    checkpoint = fixed_lips()
    checkpoint.config.metrics["word_error_rate"] = 0.25  # type: ignore[index]
    return write_lips(tmp_path_factory.mktemp("models") / "reader", checkpoint)


def test_a_lip_reader_has_the_stage_of_transcriptions(reader: str) -> None:
    served = read_models(ServeOptions.of(checkpoint=(reader,), beam=4, max_duration=10.0))
    assert list(served.stages) == [LENGTH, STILL, "reader"]
    stage, model = served.stages["reader"], served.models["reader"]
    assert isinstance(stage, LipTranscriber)
    assert (stage.decoding.beam, stage.mouths.size, stage.mouths.overlap) == (4, 75, 25)
    assert stage.max_frames == 276  # 25 a second
    assert isinstance(model, ServedReader)
    assert (model.kind, model.stage, model.step_hz, model.is_live) == ("lips", "reader", 25.0, False)
    assert (model.classes, model.word_error_rate, model.report) == ((), 0.25, None)
    assert served.classifiers == {}


def test_options_of_lip_readers_need_one(reader: str, tmp_path: Path) -> None:
    options = ServeOptions.of(checkpoint=(write_lips(tmp_path / "stream", trained_stream()),), beam=4, face=2)
    assert unread(options) == [
        "--beam is for lip readers, and no checkpoint is of one",
        "--face is for lip readers, and no checkpoint is of one",
    ]
    with pytest.raises(InputError, match="--face is for lip readers"):
        read_models(options)
    beside = options.with_values(checkpoint=(*options.checkpoint, reader), face=None)
    assert list(read_models(beside).classifiers) == ["stream"]


def test_what_does_not_fit_the_reader_is_told_before_anything_starts(reader: str) -> None:
    with pytest.raises(InputError, match="cannot be spelled"):
        read_models(ServeOptions.of(checkpoint=(reader,), lexicon="grid"))
    with pytest.raises(InputError, match="--face goes with --crop found"):
        read_models(ServeOptions.of(checkpoint=(reader,), face=1))
