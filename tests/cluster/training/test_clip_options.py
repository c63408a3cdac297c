import sys

import pytest

from cluster.runs.command_line import parse
from cluster.training.config import TrainingOptions
from extractors.clips.sampling import ClipSampling
from schemas.errors import InputError

NEEDED = ["--videos", "in", "--output", "out"]


def options(*words, model="c3d"):
    return parse(TrainingOptions, [*NEEDED, "--model", model, *words]).settings().clips()


def test_by_default_clips_are_what_the_model_was_made_for():
    found = options()
    assert (found.format.frames, found.format.height, found.format.width, found.format.fps) == (16, 112, 112, None)
    assert found.sampling == found.steady == found.scoring == ClipSampling()
    assert found.is_repeatable


def test_what_is_random_is_so_in_training_alone():
    found = options("--placement", "random", "--speed", "0.8", "1.25", "--short", "pad", "--views", "4", "--crops", "3")
    assert found.sampling == ClipSampling(placement="random", speed=(0.8, 1.25), short="pad")
    assert found.steady == ClipSampling(short="pad")
    assert found.scoring == ClipSampling(short="pad", views=4, crops=3)
    assert not found.is_repeatable
    cropped = options("--random-crop", "--placement", "equal")
    assert (cropped.sampling.random_crop, cropped.steady) == (True, ClipSampling(placement="equal"))


def test_changes_and_rates():
    found = options("--augment", "flip=0.5", "zoom_factor=[1,1.5]", "--fps", "5")
    assert (found.augmentation.flip, found.augmentation.zoom_factor, found.format.fps) == (0.5, (1.0, 1.5), "5")
    assert not found.is_repeatable


def test_the_method_of_flow():
    assert options().format.flow is None
    assert options(model="i3d-flow").format.flow == "tvl1"
    found = options("--flow", "dis", "--augment", "flip=0.5", model="i3d-flow")
    assert (found.format.flow, found.format.channels, found.format.fps) == ("dis", 2, "25")
    with pytest.raises(InputError, match="--flow is for models that look at optical flow, not for 'c3d'"):
        options("--flow", "dis")
    with pytest.raises(InputError, match="--augment colour changes RGB, but model 'i3d-flow' looks at optical flow"):
        options("--augment", "colour=0.5", model="i3d-flow")


def test_a_missing_opencv_is_told_before_anything_is_done(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert options(model="i3d-flow").format.flow == "tvl1"
    with pytest.raises(InputError, match="pip install"):
        options("--flow", "dis", model="i3d-flow")


def test_all_that_is_wrong_is_told_at_once():
    words = ["--augment", "flop=1", "flip=2", "--speed", "fast", "--views", "0", "--crops", "2", "--time-limit", "0"]
    words += ["--max-failure-ratio", "2", "--random-crop", "--clip-cache", "cache", "--max-frames", "3"]
    with pytest.raises(InputError) as raised:
        options(*words, model="i3d-flow")
    text = str(raised.value)
    for part in (
        "flop: unknown key; did you mean 'flip'?",
        "speed is two numbers, not fast",
        "views is 0",
        "crops is 2",
        "time-limit must be above 0, not 0.0",
        "max-failure-ratio must be between 0 and 1, not 2.0",
        "clips that differ from epoch to epoch cannot be cached",
        "--max-frames goes with --features",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--features", "x", "--videos", "y", "--model", "c3d"], "give --features or --videos, one of them"),
        ([], "give --features or --videos, one of them"),
        (["--videos", "y"], "model 'dense-5' does not take clips of --videos; those that do: c3d, "),
        (["--features", "x", "--model", "c3d"], "model 'c3d' does not take features; those that do: "),
        (["--features", "x", "--recipe", "transfer"], "--recipe goes with --videos"),
        (["--features", "x", "--phases", "epochs=1 stages=2"], "models of features have no stages"),
        (["--videos", "y", "--model", "c3d", "--init-head", "keep"], "--init-head goes with --init-weights"),
        (
            ["--videos", "y", "--model", "c3d", "--start-seconds", "3"],
            "start_seconds applies to placement 'start' only",
        ),
        (
            ["--videos", "y", "--model", "c3d", "--split", "folders", "--validation-features", "z"],
            "--split folders goes with --features",
        ),
    ],
)
def test_what_does_not_go_together(words, part):
    with pytest.raises(InputError) as raised:
        parse(TrainingOptions, ["--output", "out", *words])
    assert part in str(raised.value)
