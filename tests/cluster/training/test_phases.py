import pytest

from cluster.runs.command_line import parse
from cluster.training.config import TrainingOptions
from schemas.errors import InputError

NEEDED = ["--videos", "in", "--output", "out", "--model", "c3d"]


def config(*words):
    return parse(TrainingOptions, [*NEEDED, *words]).settings()


def summary(phases):
    return [(phase.epochs, phase.stages, phase.optimizer, phase.learning_rate) for phase in phases]


def test_the_recipe_is_the_reported_one_with_smaller_steps_in_the_end():
    given = config("--recipe", "transfer")
    assert summary(given.phases) == [(20, 1, "sgd", 0.1), (5, 3, "sgd", 0.01)]
    assert (given.epochs, given.learning_rate) == (25, 0.1)
    assert all(phase.momentum == phase.weight_decay == 0 for phase in given.phases)
    assert config("--recipe", "transfer", "--learning-rate", "0.02").phases[1].learning_rate == 0.002
    other = parse(TrainingOptions, [*NEEDED[:-1], "i3d", "--recipe", "transfer"]).settings()
    assert summary(other.phases) == [(20, 1, "sgd", 1e-4), (5, 3, "sgd", 1e-5)]


def test_without_phases_there_is_one_that_trains_everything():
    assert summary(config().phases) == [(20, None, "rmsprop", 1e-3)]
    assert config().batch_size == 8


def test_phases_are_data():
    given = config(
        *("--phases", "epochs=3 stages=1 optimizer=adam learning-rate=0.01", "epochs=2 stages=all schedule=cosine"),
        *("--optimizer", "sgd", "--momentum", "0", "--accumulate", "4"),
    )
    assert summary(given.phases) == [(3, 1, "adam", 0.01), (2, None, "sgd", 1e-3)]
    assert given.epochs == 5
    first, second = given.training_config(10, None).phases
    assert (first.stages, first.schedule.factor(1000)) == (1, 1)
    # Ten batches are three steps of four, the last of fewer; two epochs of them are six.
    assert [second.schedule.factor(step) for step in (0, 3, 6)] == pytest.approx([1, 0.5, 0])


def test_all_problems_are_reported_together():
    with pytest.raises(InputError) as raised:
        config(
            *("--phases", "epochs=x stages=two lr=3", "epochs=0 epochs=1", "stages=0 optimizer=sdg momentum=2"),
            *("--epochs", "7"),
        )
    text = str(raised.value)
    for part in (
        "phase 1: epochs is a whole number, not 'x'",
        "phase 1: stages is a whole number, or all, not 'two'",
        "phase 1: 'lr' is unknown",
        "phase 2: epochs is given twice",
        "phase 3: optimizer is 'sdg', allowed: ",
        "phase 3: momentum is 2.0",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--recipe", "transfer", "--phases", "epochs=1"], "has its own phases"),
        (["--recipe", "transfer", "--epochs", "7"], "epochs is 7, but those of the phases are 25"),
        (["--phases", "epochs 3"], "'epochs' is not NAME=VALUE"),
        (["--phases", "stagse=3"], "did you mean stages?"),
        (["--decay-epochs", "0"], "decay-epochs must be above 0"),
    ],
)
def test_invalid_phases_are_refused(words, part):
    with pytest.raises(InputError) as raised:
        config(*words)
    assert part in str(raised.value)
