"""Sentences of the training report, from the record's numbers."""

import dataclasses

import pytest

from cluster.reports import training_sentences
from schemas.evaluations import Confidence, FrameAccuracy
from schemas.trainings import TrainedClass, TrainedPhase
from tests.support.training_records import training_record


def trained(*counts: int) -> list[TrainedClass]:
    return [TrainedClass(name=f"{i}", index=i, videos={"training": count}) for i, count in enumerate(counts)]


def test_the_summary_says_what_was_kept_and_why() -> None:
    record = dataclasses.replace(training_record(), resumed_at_epoch=(4, 9))
    assert training_sentences.summary(record) == [
        "Epoch 9 was kept: its validation loss of 0.168 was the best; the last epoch, 20, had 0.2527.",
        "At epoch 9, 95.10% of the training videos and 94.20% of the validation videos were classified correctly. "
        "Training accuracy is measured during the epoch and with dropout, so it can be below validation accuracy.",
        "It was interrupted and resumed at epochs 5 and 10.",
        "An epoch took 8.5 s (median of 20). The learning rate was 0.001.",
    ]


def test_without_validation_training_decides() -> None:
    record = training_record(splits=("test",))
    first, *others = training_sentences.summary(record)
    assert first == "Epoch 20 was kept: its training loss of 0.1121 was the best."
    assert not any("validation" in sentence for sentence in others)


def test_another_monitor_is_named() -> None:
    sentence = training_sentences.summary(dataclasses.replace(training_record(), monitor="hit_at_one"))[0]
    assert sentence.startswith("Epoch 9 was kept: its validation hit@1 of 94.20% was the best;")


def test_an_early_end_and_a_falling_rate_are_named() -> None:
    record = training_record()
    history = (*record.history[:11], dataclasses.replace(record.history[11], learning_rate=1e-5))
    sentences = training_sentences.summary(dataclasses.replace(record, history=history, stopped_early=True))
    assert "It stopped early, after 3 epochs without improvement." in sentences
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
    sentences = training_sentences.summary(dataclasses.replace(record, history=history, phases=phases))
    assert sentences[2:5] == [
        "Epochs 1 to 12 trained only the head (sgd, learning rate 0.1).",
        "Epochs 13 to 19 trained the last 3 stages (sgd, learning rate 0.01).",
        "Epoch 20 trained the whole network (sgd, learning rate 0.001).",
    ]
    single = dataclasses.replace(record, phases=phases[2:3])
    assert training_sentences.summary(single) == training_sentences.summary(record)


def test_the_last_epoch_is_not_compared_with_itself() -> None:
    record = training_record()
    last = dataclasses.replace(record, history=record.history[:9])
    assert training_sentences.summary(last)[0] == "Epoch 9 was kept: its validation loss of 0.168 was the best."


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((5, 5), "Balanced: every class has 5 training videos."),
        (
            (11_202, 102_216),
            "Imbalanced: the rarest class has 11,202 training videos, the most common one 102,216, 9.1 times as many.",
        ),
        ((0, 7), "Imbalanced: the rarest class has 0 training videos, the most common one 7."),
    ],
)
def test_balance(counts: tuple[int, ...], words: str) -> None:
    assert training_sentences.balance(trained(*counts)) == words


def test_how_early_a_stream_network_knows() -> None:
    found = FrameAccuracy(videos=200, fps=5.0, shares=(0.5, 0.6, 0.9, 0.91))
    assert training_sentences.early(found) == (
        "After 0.2 s, 50.00% of the validation videos were classified correctly; after 0.6 s, 90.00%, nearly as many "
        "as from whole clips (91.00% after 0.8 s)."
    )
    few = FrameAccuracy(videos=4, fps=None, shares=(1.0, 1.0))
    assert training_sentences.early(few) == (
        "After 1 frame, 4 of 4 validation videos were classified correctly, nearly as many as from whole clips (4 of 4 "
        "after 2 frames)."
    )


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (0, "No group has training videos: this is the accuracy on groups that the network has never seen."),
        (3, "All groups have training videos as well: some of the accuracy may be knowledge of these groups"),
        (2, "2 of 3 groups have training videos as well: "),
    ],
)
def test_what_the_groups_of_a_split_say(known: int, words: str) -> None:
    split = dataclasses.replace(training_record().splits[0], group_count=3, known_groups=known)
    assert training_sentences.groups(split).startswith(words)


def test_temperature() -> None:
    fit = training_record().temperature
    assert fit is not None
    sentences = {
        value: training_sentences.temperature(dataclasses.replace(fit, temperature=value)) for value in (0.5, 1.01, 2.0)
    }
    assert sentences == {
        0.5: "below 1, the model was underconfident",
        1.01: "close to 1, the model was well calibrated",
        2.0: "above 1, the model was overconfident",
    }


def test_confidence_and_correlation() -> None:
    assert (
        training_sentences.mean_and_deviation(Confidence(index=0, support=2, mean=0.912, standard_deviation=0.0831))
        == "91.20 ± 8.31%"
    )
    one = Confidence(index=0, support=1, mean=0.912, standard_deviation=0.0)
    assert training_sentences.mean_and_deviation(one) == "91.20%"
    assert training_sentences.correlation(-0.912) == "−0.91"
