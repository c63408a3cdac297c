from dataclasses import replace

import pytest

from schemas.evaluations import ClassScore, FrameAccuracy, ScoreAverage, SplitResult
from schemas.strict_json import JsonMismatchError
from schemas.trainings import Epoch, TrainedClass, TrainingMachine, TrainingRecord

AVERAGE = ScoreAverage(precision=0.5, recall=0.5, f1=0.5, support=4)


def record():
    result = SplitResult(
        name="validation",
        videos=4,
        seconds=0.5,
        summary={"loss": 0.3, "gap": None},
        classes=tuple(ClassScore(index=i, precision=0.5, recall=1.0, f1=0.75, support=2) for i in range(2)),
        averages={"macro": AVERAGE},
        confusion=((1, 1), (0, 2)),
        confused=(),
        followed=(0, 1),
        traded=((None, -0.5), (None, None)),
        most_traded=(),
        confidence=(),
        reliability=(),
        calibration_error=0.1,
        mistakes=(),
    )
    return TrainingRecord(
        command=("train_classifier.py", "--epochs", "1"),
        started_at="2026-01-01T00:00:00.000Z",
        finished_at="2026-01-01T00:00:09.000Z",
        configuration={"epochs": 1, "features": ("a",)},
        model="dense-5",
        parameters=10,
        level="video",
        task="single-label",
        monitor="loss",
        seed=0,
        rgb_dim=16,
        audio_dim=8,
        classes=tuple(TrainedClass(name=name, index=i, videos={"validation": 2}) for i, name in enumerate("ab")),
        split_sizes={"training": 8, "validation": 4},
        history=(Epoch(epoch=0, seconds=1.0, learning_rate=0.1, training={"loss": 0.5}, validation={"loss": None}),),
        best_epoch=0,
        stopped_early=False,
        resumed_at_epoch=(),
        splits=(result,),
        temperature=None,
        seconds_by_stage={"training": 1.0},
        machine=TrainingMachine(engine="local", workers=1, device="cpu", cpus=2),
        versions={"python": "3.11"},
        feature_fingerprint={"source": "test"},
    )


def test_a_record_comes_back_as_it_was():
    text = record().to_json()
    again = TrainingRecord.from_json(text)
    assert again.to_json() == text
    assert again.splits == record().splits
    assert again.history == record().history


def test_only_stream_networks_have_an_accuracy_by_frame():
    assert record().by_frame is None
    stream = replace(record(), by_frame=FrameAccuracy(videos=4, fps=None, shares=(0.25, 1.0)))
    assert TrainingRecord.from_json(stream.to_json()).by_frame == stream.by_frame


def test_records_that_do_not_fit_together_are_refused():
    good = record()
    with pytest.raises(ValueError, match="best_epoch is 1, with 1 epochs"):
        replace(good, best_epoch=1)
    with pytest.raises(ValueError, match="splits are named dev"):
        replace(good, splits=(replace(good.splits[0], name="dev"),))
    with pytest.raises(ValueError, match="validation has 2 rows for 1 classes"):
        replace(good, classes=good.classes[:1])


def test_text_that_is_no_record_is_refused():
    text = record().to_json()
    with pytest.raises(JsonMismatchError, match="parameters: expected a whole number"):
        TrainingRecord.from_json(text.replace('"parameters": 10', '"parameters": "ten"'))
    with pytest.raises(JsonMismatchError, match="use the release"):
        TrainingRecord.from_json(text.replace('"schema_version": 2', '"schema_version": 9'))
