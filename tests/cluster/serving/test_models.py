from __future__ import annotations

import sys
from fractions import Fraction

import pytest

from cluster.scoring.stream_scorer import StreamScorer
from cluster.scoring.window_scorer import WindowScorer
from cluster.serving.config import ServeOptions
from cluster.serving.length import LengthStage
from cluster.serving.models import LENGTH, STILL, names_of, read_models
from cluster.serving.still_stage import StillStage
from extractors.extract import Extractor
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import FLOW_OPTIONS, trained_clips, trained_stream


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_trained(folder / "a" / "stream", trained_stream())
    write_trained(folder / "b" / "stream", trained_stream(seed=1))
    write_trained(folder / "clips", trained_clips(fps="5"))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path))


def test_models_of_clips_have_stages_of_their_own(folder):
    options = ServeOptions.of(
        checkpoint=tuple(str(folder / name) for name in ("a/stream", "b/stream", "clips")),
        stride=0.5,
        max_duration=10.0,
    )
    served = read_models(options)
    assert {name: (model.kind, model.step_seconds) for name, model in served.models.items()} == {
        "stream": ("stream", Fraction(1)),
        "stream-2": ("stream", Fraction(1)),
        "clips": ("clip", Fraction(1, 2)),
    }
    assert list(served.stages) == [LENGTH, STILL, "stream", "stream-2", "clips"]
    stream, clips = served.stages["stream"], served.stages["clips"]
    assert isinstance(stream, StreamScorer)
    assert isinstance(clips, WindowScorer)
    assert (stream.segment_seconds, clips.segment_seconds) == (60, 60)
    assert stream.max_grid_points == 56  # five a second
    assert names_of(served.models, []) == ("stream", "stream-2", "clips")
    assert names_of(served.models, ["clips", "clips"]) == ("clips",)
    with pytest.raises(InputError, match="there is no model 'x'"):
        names_of(served.models, ["x"])


def test_optical_flow_that_cannot_be_computed_is_told_before_the_service_starts(tmp_path, monkeypatch):
    place = write_trained(tmp_path / "flow", trained_clips("i3d-flow", options=FLOW_OPTIONS, flow="dis"))
    options = ServeOptions.of(checkpoint=(place,))
    assert read_models(options).models["flow"].kind == "clip"
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"--flow dis is computed by the package cv2"):
        read_models(options)


RANDOM = {
    "sampling.fps": "2",
    "sampling.max_seconds": "all",
    "sampling.mode": "exact",
    "sampling.version": "1",
    "frames.weights": "random:3",
    "frames.pca": "none",
    "frames.precision": "fp32",
    "frames.embedding_version": "2",
    "sound.weights": "random:4",
    "sound.pca": "none",
    "sound.precision": "fp32",
    "sound.embedding_version": "2",
}


def test_a_model_takes_the_place_of_no_other_stage(tmp_path):
    places = tuple(write_trained(tmp_path / name, trained_stream()) for name in ("length", "still"))
    served = read_models(ServeOptions.of(checkpoint=places))
    assert isinstance(served.stages[LENGTH], LengthStage)
    assert isinstance(served.stages[STILL], StillStage)
    assert list(served.models) == ["length", "still"]


def test_an_extractor_follows_from_the_fingerprint_and_is_shared(tmp_path):
    for name, seed in (("one", 0), ("two", 1)):
        write_trained(tmp_path / name, trained("dense-5", rgb_dim=2048, seed=seed, fingerprint=RANDOM))
    options = ServeOptions.of(checkpoint=(str(tmp_path / "one"), str(tmp_path / "two")))
    served = read_models(options)
    assert list(served.stages) == [LENGTH, STILL, "features-0"]
    extractor = served.stages["features-0"]
    assert isinstance(extractor, Extractor)
    assert extractor.frames.config.weights.seed == 3
    assert extractor.sampling.fps == "2"
    assert served.models["one"].stage == served.models["two"].stage == "features-0"
    assert served.models["one"].kind == "mean"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sampling.version": "0"}, "not the features that model"),
        ({"frames.weights": "sha256:" + "0" * 64}, "give --weights"),
        ({"frames.something": "x"}, "frames.something"),
    ],
)
def test_features_that_this_release_does_not_extract_are_refused(tmp_path, changes, problem):
    write_trained(tmp_path / "m", trained("dense-5", rgb_dim=2048, fingerprint={**RANDOM, **changes}))
    with pytest.raises(InputError, match=problem):
        read_models(ServeOptions.of(checkpoint=(str(tmp_path / "m"),)))


def test_all_that_is_wrong_is_told_at_once(tmp_path, folder):
    with pytest.raises(InputError) as caught:
        read_models(ServeOptions.of(checkpoint=(str(tmp_path / "x"), str(tmp_path / "y"))))
    assert len(caught.value.problems) == 2
