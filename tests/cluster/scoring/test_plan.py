"""What the plans of both label sources share: checkpoints, fingerprints of labels, and outputs that are refused."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CheckpointError
from cluster.scoring.config import ScoringOptions
from cluster.scoring.plan import kind_of, label_fingerprint, read_checkpoint_at, read_trained, unsubmittable, unwritable
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips
from tests.support.lips import trained_lips
from tests.support.scoring import scoring_config


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_trained(tmp_path_factory.mktemp("checkpoint"), trained())


def fingerprint_of(*checkpoints, **options):
    classifier = TrainedClassifier(dict(zip("abc", checkpoints, strict=False)))
    scores = scoring_config("f", "c", "l", **options).scores
    return label_fingerprint(classifier, scores)


def test_a_checkpoint_is_read_from_its_folder(checkpoint, tmp_path):
    assert read_checkpoint_at(checkpoint).config == trained().config
    with pytest.raises(CheckpointError, match="none: there is no checkpoint"):
        read_checkpoint_at(str(tmp_path / "none"))


def test_all_checkpoints_that_cannot_be_used_are_problems(checkpoint, tmp_path):
    clips = write_trained(tmp_path / "clips", trained_clips())
    problems: list[str] = []
    config = scoring_config("f", (clips, checkpoint, str(tmp_path / "none")), "l")
    assert read_trained(read_checkpoint_at, TrainedClassifier, config, problems) is None
    kind, missing = problems
    assert "'r3d-18' takes clips of videos: give --videos in place of --features" in kind
    assert "none" in missing
    problems = []
    options = ScoringOptions.of(videos="v", checkpoint=(checkpoint,), labels="l")
    assert read_trained(read_checkpoint_at, TrainedClassifier, options, problems) is None
    assert "takes features: give --features in place of --videos" in problems[0]
    problems = []
    lips = write_trained(tmp_path / "lips", trained_lips())
    for place in ({"videos": "v"}, {"features": ("f",)}):
        options = ScoringOptions.of(**place, checkpoint=(lips,), labels="l")
        assert read_trained(read_checkpoint_at, TrainedClassifier, options, problems) is None
        assert "model 'lipnet-keras' takes mouths, to read lips: it labels no videos" in problems.pop()


def test_labels_are_comparable_only_with_the_same_model_and_choice_of_labels():
    plain = fingerprint_of(trained())
    assert plain == fingerprint_of(trained())
    assert list(plain) == ["models", "temperatures", "task", "classes", "top_k", "threshold"]
    assert [plain[name] for name in ("temperatures", "task", "top_k", "threshold")] == [
        "1.0",
        "single-label",
        "20",
        "0.0",
    ]
    named = trained()
    renamed = replace(named, config=replace(named.config, class_names=tuple("abcdef")))
    others = [
        fingerprint_of(trained(seed=1)),
        fingerprint_of(trained(temperature=1.5)),
        fingerprint_of(trained(), trained(seed=1)),
        fingerprint_of(renamed),
        fingerprint_of(trained(), top_k=5),
        fingerprint_of(trained(), threshold=0.5),
    ]
    assert all(other != plain for other in others)


def test_outputs_that_cannot_be_written_to_are_problems():
    config = scoring_config("f", "c", "https://host/labels", submission="http://host/s.csv")
    assert [problem.partition(" ")[0] for problem in unwritable(config)] == ["https://host/labels", "http://host/s.csv"]
    assert unwritable(scoring_config("f", "c", "labels")) == []


def test_ids_that_a_submission_cannot_hold_are_one_problem():
    ids = pa.chunked_array([["a", "b,c"], ['d"e', "f\ng"]])
    (problem,) = unsubmittable(ids)
    assert problem.startswith("3 ids hold a comma, a quote or a line's end")
    assert "'b,c'" in problem
    assert unsubmittable(pa.chunked_array([["a", "b c"]])) == []


def test_a_kind_follows_from_the_configurations_of_checkpoints(checkpoint, tmp_path):
    clips = write_trained(tmp_path / "clips", trained_clips())
    (tmp_path / "clips" / "model.safetensors").unlink()  # which are read later
    assert (kind_of([checkpoint]), kind_of([clips, clips]), kind_of([clips, str(tmp_path)])) == (
        "features",
        "videos",
        None,
    )
    assert kind_of(["stream.onnx"]) == "videos"
    for other in (clips, "stream.onnx"):
        with pytest.raises(InputError, match=f"of clips are {other}; of features {checkpoint}"):
            kind_of([checkpoint, other])
