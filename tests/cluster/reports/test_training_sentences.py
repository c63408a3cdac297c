"""What is said of a training: every sentence from its numbers, and none where there is nothing to say."""

import dataclasses

import pytest

from cluster.reports import training_sentences
from schemas.trainings import Confidence, TrainedClass, TrainedPhase
from tests.support.training_records import training_record


def trained(*counts: int) -> list[TrainedClass]:
    return [TrainedClass(name=f"{i}", index=i, videos={"training": count}) for i, count in enumerate(counts)]


def test_the_course_says_what_was_kept_and_why() -> None:
    record = dataclasses.replace(training_record(), resumed_at_epoch=(4, 9))
    assert training_sentences.course(record) == [
        "Epoch 9 was kept: its validation loss, 0.168, was the best of all; the last, epoch 20, had 0.2527.",
        "At epoch 9, 95.10% of the training and 94.20% of the validation videos were right. Training is measured while "
        "the weights still change, and with dropout: it can lie below validation.",
        "It was interrupted, and went on at epoch 5 and 10.",
        "An epoch took 8.5 s (the median of 20). The learning rate was 0.001.",
    ]


def test_without_validation_training_decides() -> None:
    record = training_record(splits=("test",))
    first, *others = training_sentences.course(record)
    assert first == "Epoch 20 was kept: its training loss, 0.1121, was the best of all."
    assert not any("validation" in sentence for sentence in others)


def test_another_monitor_is_named() -> None:
    sentence = training_sentences.course(dataclasses.replace(training_record(), monitor="hit_at_one"))[0]
    assert sentence.startswith("Epoch 9 was kept: its validation hit@1, 94.20%, was the best of all;")


def test_an_early_end_and_a_falling_rate_are_said() -> None:
    record = training_record()
    history = (*record.history[:11], dataclasses.replace(record.history[11], learning_rate=1e-5))
    sentences = training_sentences.course(dataclasses.replace(record, history=history, stopped_early=True))
    assert "It stopped early: 3 epochs in a row brought nothing better." in sentences
    assert sentences[-1].endswith("The learning rate went from 0.001 to 1e-05.")


def test_phases_say_what_they_trained() -> None:
    record = training_record()
    numbers = {"optimizer": "sgd", "schedule": "constant"}
    phases = (
        TrainedPhase(epochs=12, stages=1, learning_rate=0.1, **numbers),
        TrainedPhase(epochs=7, stages=3, learning_rate=0.01, **numbers),
        TrainedPhase(epochs=5, stages=None, learning_rate=1e-3, **numbers),
        TrainedPhase(epochs=9, stages=None, learning_rate=1e-4, **numbers),
    )
    of_epoch = [0] * 12 + [1] * 7 + [2]
    history = tuple(
        dataclasses.replace(epoch, phase=phase) for epoch, phase in zip(record.history, of_epoch, strict=True)
    )
    sentences = training_sentences.course(dataclasses.replace(record, history=history, phases=phases))
    assert sentences[2:5] == [
        "Epochs 1 to 12 trained the head alone (sgd, learning rate 0.1).",
        "Epochs 13 to 19 trained the last 3 stages (sgd, learning rate 0.01).",
        "Epoch 20 trained all of the network (sgd, learning rate 0.001).",
    ]
    single = dataclasses.replace(record, phases=phases[2:3])
    assert training_sentences.course(single) == training_sentences.course(record)


def test_the_last_epoch_is_not_compared_with_itself() -> None:
    record = training_record()
    last = dataclasses.replace(record, history=record.history[:9])
    assert training_sentences.course(last)[0] == "Epoch 9 was kept: its validation loss, 0.168, was the best of all."


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((5, 5), "Balanced: every class has 5 training videos."),
        (
            (11_202, 102_216),
            "Not balanced: from 11,202 training videos of the rarest class to 102,216 of the most common one, "
            "9.1 times as many.",
        ),
        ((0, 7), "Not balanced: from 0 training videos of the rarest class to 7 of the most common one."),
    ],
)
def test_balance(counts: tuple[int, ...], words: str) -> None:
    assert training_sentences.balance(trained(*counts)) == words


def test_temperature() -> None:
    fit = training_record().temperature
    assert fit is not None
    told = {
        value: training_sentences.temperature(dataclasses.replace(fit, temperature=value)) for value in (0.5, 1.01, 2.0)
    }
    assert told == {
        0.5: "below 1, it was not sure enough",
        1.01: "as near to 1 as makes no difference",
        2.0: "above 1, it was too sure",
    }


def test_spread_and_correlation() -> None:
    assert (
        training_sentences.spread(Confidence(index=0, support=1, mean=0.912, standard_deviation=0.0831))
        == "91.20 ± 8.31%"
    )
    assert training_sentences.correlation(-0.912) == "−0.91"
