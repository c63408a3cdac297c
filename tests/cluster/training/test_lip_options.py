from __future__ import annotations

from pathlib import Path

import pytest

from cluster.training.lip_options import LipOptions
from schemas.errors import InputError
from schemas.lips import FIXED, LipInput
from tests.support.lip_trainings import lip_config

NATIVE = LipInput(height=46, width=140, channels=1)


def test_what_follows_from_the_options() -> None:
    found = LipOptions(crop=FIXED, curriculum=0.8).settings(NATIVE, ("flip=0.5", "shift=3"))
    assert (found.look.crop, found.look.height, found.face) == (FIXED, 46, None)
    assert (found.augmentation.flip, found.augmentation.shift) == (0.5, 3)
    assert [found.word_share(epoch) for epoch in (0, 1)] == pytest.approx([0.8, 0.8 * 0.925])


def test_everything_wrong_is_reported_at_once() -> None:
    wide = LipInput(height=50, width=100, channels=3)
    with pytest.raises(InputError) as caught:
        LipOptions(crop=FIXED, face=2).settings(wide, ("flipp=1",))
    assert len(caught.value.problems) == 3
    text = str(caught.value)
    assert "a fixed crop is 46 x 140 pixels, but the network takes 50 x 100" in text
    assert "did you mean 'flip'" in text or "flip" in text
    assert "--face goes with --crop found" in text


def test_an_alphabet_that_has_no_name_is_a_file(tmp_path: Path) -> None:
    assert LipOptions(alphabet="texts").alphabet_file is None
    assert LipOptions(alphabet="letters.txt").alphabet_file == "letters.txt"
    settings = lip_config(tmp_path / "m.jsonl", tmp_path, alphabet="letters.txt").settings()
    assert settings.options.lips.alphabet == str(Path("letters.txt").absolute())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"placement": "equal"}, "--placement goes with classifiers, not with 'lipnet-keras', which reads lips"),
        ({"task": "multi-label"}, "--task goes with classifiers"),
        ({"monitor": "gap"}, "--monitor is one of loss, character_error_rate, word_error_rate for lip readers"),
        ({"model": "dense-5", "model_options": ()}, "model 'dense-5' does not take clips of --videos"),
        ({"model": "c3d", "model_options": ()}, "--crop goes with a model that reads lips: lipnet, lipnet-keras"),
        (
            {"model": "c3d", "model_options": (), "recipe": "lipnet"},
            "--recipe lipnet goes with a model that reads",
        ),
        ({"model": "c3d", "model_options": (), "monitor": "word_error_rate"}, "--monitor word_error_rate goes with"),
        ({"model": "lipnet"}, "a fixed crop is 46 x 140 pixels, but the network takes 50 x 100"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        lip_config(tmp_path / "m.jsonl", tmp_path, **options)
    assert problem in str(caught.value)


def test_the_recipe_is_the_reported_training(tmp_path: Path) -> None:
    recipe = {"recipe": "lipnet", "epochs": None, "optimizer": "rmsprop", "learning_rate": None}
    settings = lip_config(tmp_path / "m.jsonl", tmp_path, **recipe).settings()
    (phase,) = settings.training_config(5, None).phases
    rate = phase.optimizer.learning_rate
    assert (phase.epochs, phase.optimizer.name, rate, settings.monitor) == (100, "adam", 1e-4, "word_error_rate")
    factors = [phase.schedule.factor(5 * epoch) for epoch in (0, 29, 30, 31, 99)]
    assert factors == pytest.approx([1, 1, 0.904837, 0.904837**2, 0.904837**70], rel=1e-4)
    assert lip_config(tmp_path / "m.jsonl", tmp_path, **recipe | {"epochs": 7}).settings().epochs == 7
