import json

import pytest

from cluster.runs.command_line import parse
from cluster.runs.option_help import usage
from cluster.runs.options import options_of
from cluster.training.config import TrainingOptions
from schemas.errors import InputError

NEEDED = ["--features", "in", "--output", "out"]


def config(*words):
    return parse(TrainingOptions, [*NEEDED, *words]).settings()


def test_the_recipe_that_was_reported_is_the_default():
    given = config()
    trained = given.training_config(100, None)
    assert (given.options.model.model, given.batch_size, given.options.classes.task, given.level) == (
        "dense-5",
        256,
        "single-label",
        "video",
    )
    (phase,) = trained.phases
    assert (phase.epochs, phase.stages) == (20, None)
    assert (phase.optimizer.name, phase.optimizer.learning_rate) == ("rmsprop", 1e-3)
    assert [phase.schedule.factor(step) for step in (0, 500, 1999)] == [1, 1, 1]


def test_epochs_become_steps():
    words = ("--schedule", "cosine", "--warmup-steps", "10", "--epochs", "4")
    cosine = config(*words).training_config(100, None).phases[0].schedule
    assert cosine.factor(10) == 1
    assert cosine.factor(205) == pytest.approx(0.5)
    assert cosine.factor(400) == pytest.approx(0)
    stepped = config("--schedule", "step", "--decay-epochs", "2", "--decay-rate", "0.5").training_config(100, None)
    assert [stepped.phases[0].schedule.factor(step) for step in (199, 200, 400)] == [1, 0.5, 0.25]


def test_all_that_is_wrong_is_told_at_once():
    words = ["--batch-size", "0", "--fractions", "0.5", "0.1", "0.1", "--l2", "-1", "--model-options", "hidden=3"]
    words += ["--validation-features", "x", "--engine", "local", "--workers", "2", "--optimizer", "adam"]
    with pytest.raises(InputError) as raised:
        config(*words, "--momentum", "0.5", "--balance", "--task", "multi-label")
    text = str(raised.value)
    for part in (
        "batch-size must be at least 1, not 0",
        "fractions must be between 0 and 1 and add up to 1",
        "l2 is -1.0",
        "hidden: unknown key",
        "go with --split folders",
        "--engine local has one worker, not 2",
        "videos with several labels cannot be balanced",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--model", "dense5"], "did you mean dense-5?"),
        (["--model-options", "activation"], "NAME=VALUE"),
        (["--model-options", "shared_hidden=[0]"], "shared_hidden must be at least 1"),
        (["--split", "folders"], "needs --validation-features"),
        (["--fractions", "0.5", "0.5"], "fractions are three numbers"),
        (["--monitor", "accuracy"], "--monitor is one of"),
        (["--decay-epochs", "0"], "decay-epochs must be above 0"),
        (["--features"], "twice"),
    ],
)
def test_what_is_refused(words, part):
    with pytest.raises(InputError, match=part.replace("?", r"\?")):
        config(*words)


def test_features_are_not_left_out_by_patterns():
    with pytest.raises(InputError, match="--exclude goes with --videos"):
        parse(TrainingOptions, ["--features", "f", "--output", "o", "--exclude", "x"])


def test_options_of_a_model_are_numbers_lists_and_names():
    given = config(
        "--model-options", "shared_hidden=[30,20]", "activation=relu", "input_dropout=0.25"
    ).options.model.config()
    assert (given.shared_hidden, given.activation, given.input_dropout) == ((30, 20), "relu", 0.25)


def test_two_trainings_are_the_same_whatever_engine_and_place():
    one, other = config("--epochs", "5"), config("--epochs", "5", "--engine", "local", "--quiet")
    assert one.identity() == other.identity() != config("--epochs", "6").identity()
    assert json.loads(json.dumps(one.identity())) == one.identity()


def test_secrets_are_not_kept():
    given = config("--vocabulary", "https://me:secret@host/vocabulary.csv")
    assert "secret" not in json.dumps(given.identity())


def test_paths_become_absolute_and_addresses_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = parse(TrainingOptions, ["--features", "a", "gs://b/c", "--output", "out"]).settings().options
    assert given.features == (str(tmp_path / "a"), "gs://b/c")
    assert given.output == str(tmp_path / "out")


def test_help_names_every_option():
    text = usage(TrainingOptions, "Train.")
    assert all(f"--{option.name}" in text for option in options_of(TrainingOptions).values())
    assert "[default: 0.7 0.15 0.15]" in text
