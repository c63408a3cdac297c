"""A training from features to results, in this process."""

from contextlib import closing

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from classifiers.clip_models.registry import build_clip_model
from classifiers.data.batches import BatchOrder, Worker
from classifiers.feature_models.registry import build_model
from classifiers.training.loop import epoch_seed
from classifiers.training.workers import SingleWorker
from cluster.features.source import SourceConfig
from cluster.features.tfrecord_conversion import ConversionOptions, convert
from cluster.training.worker import TrainingWorker
from tests.support.trainings import (
    CLASSES,
    DIM,
    clip_config,
    curve,
    plan_of,
    train_here,
    training_config,
    write_features,
    write_videos,
)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("frames"), 120, frames=5)


def test_results_equal_those_of_a_plain_loop(dataset, tmp_path):
    plan = plan_of(training_config(dataset, tmp_path, optimizer="adam"))
    outcome = train_here(plan)
    torch.manual_seed(0)
    model = build_model("dense-5", num_classes=CLASSES, rgb_dim=DIM, audio_dim=128)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, foreach=True)
    split = plan.data.splits["training"]
    source = plan.data.feed(Worker()).source(split, plan.order(shuffle=True))
    losses, states = [], []
    for epoch in range(3):
        torch.manual_seed(epoch_seed(0, epoch, 0))
        model.train()
        for batch in source.batches(epoch):
            optimizer.zero_grad()
            F.cross_entropy(model(*batch.inputs), batch.targets).backward()
            optimizer.step()
        model.eval()
        batches = list(plan.data.splits["validation"].source(SourceConfig()).batches())
        with torch.inference_mode():
            losses.append(float(F.cross_entropy(model(*batches[0].inputs), batches[0].targets)))
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    for record, loss in zip(outcome.history.epochs, losses, strict=True):
        assert record.validation["loss"] == pytest.approx(loss, rel=1e-5)
    for name, value in states[int(np.argmin(losses))].items():
        assert torch.equal(value, outcome.state[name]), name


def test_results_are_those_of_the_best_epoch(dataset, tmp_path):
    plan = plan_of(training_config(dataset, tmp_path, epochs=5))
    outcome = train_here(plan)
    assert [result.name for result in outcome.results] == ["training", "validation", "test"]
    best = outcome.history.epochs[outcome.history.best_epoch]
    validation = outcome.results[1]
    assert validation.summary["hit_at_one"] == best.validation["hit_at_one"]
    assert validation.summary["loss"] == pytest.approx(outcome.fit.loss_after, rel=1e-5)
    assert outcome.fit.loss_before == pytest.approx(best.validation["loss"], rel=1e-5)
    assert outcome.fit.videos == validation.videos == len(plan.data.splits["validation"])
    assert validation.summary["hit_at_one"] > 0.8
    assert outcome.parameters == sum(value.numel() for value in outcome.state.values())


class StoppedError(Exception):
    pass


def stopped_and_resumed(plan, stops):
    """The outcome of a training that was stopped after each of these epochs."""
    for stop in stops:

        def report(record, stop=stop):
            if record.epoch + 1 == stop:
                raise StoppedError

        with pytest.raises(StoppedError):
            TrainingWorker(plan, SingleWorker(), 1, device=torch.device("cpu"), report=report)()
    return train_here(plan)


@pytest.mark.parametrize("stops", [(1,), (2, 3, 4)])
def test_a_resumed_training_equals_an_uninterrupted_one(dataset, tmp_path, stops):
    options = {"epochs": 5, "schedule": "cosine", "momentum": 0.5, "patience": 3}
    whole = train_here(plan_of(training_config(dataset, tmp_path / "whole", **options)))
    plan = plan_of(training_config(dataset, tmp_path / "stopped", **options))
    resumed = stopped_and_resumed(plan, stops)
    assert curve(resumed.history) == curve(whole.history)
    assert resumed.resume_log.resumed_at_epoch == stops
    assert resumed.results[1].summary == whole.results[1].summary
    assert all(torch.equal(value, whole.state[name]) for name, value in resumed.state.items())


@pytest.mark.parametrize("model", ["attention-pooling", "gru"])
def test_models_of_frames(frames, tmp_path, model):
    options = {"model_options": ("cells=16",) if model == "gru" else (), "epochs": 6, "max_frames": 4}
    outcome = train_here(plan_of(training_config(frames, tmp_path, model=model, **options)))
    assert outcome.history.epochs[-1].validation["loss"] < outcome.history.epochs[0].validation["loss"]


def test_several_labels_a_video(dataset, tmp_path):
    options = {"task": "multi-label", "class_weights": "balanced", "monitor": "gap", "epochs": 6}
    outcome = train_here(plan_of(training_config(dataset, tmp_path, **options)))
    assert outcome.results[1].summary["gap"] > 0.8
    assert outcome.results[1].confusion == ()


@pytest.mark.heavy
def test_records_train_as_shards_do(dataset, tmp_path):
    records = tmp_path / "records"
    convert(ConversionOptions(input=str(dataset), output=str(records), to="tfrecord"), lambda line: None)
    options = {"classes": ("first:3",), "fractions": ("0.8", "0.2", "0")}
    of_records = train_here(plan_of(training_config(records, tmp_path / "one", **options)))
    of_shards = train_here(plan_of(training_config(dataset, tmp_path / "other", **options)))
    last, expected = (outcome.history.epochs[-1].validation for outcome in (of_records, of_shards))
    assert last["hit_at_one"] == pytest.approx(expected["hit_at_one"], abs=0.1)
    assert [result.name for result in of_records.results] == ["training", "validation"]


def test_without_a_validation_split_nothing_is_calibrated(dataset, tmp_path):
    outcome = train_here(plan_of(training_config(dataset, tmp_path, fractions=("0.9", "0", "0.1"))))
    assert outcome.fit is None
    assert [result.name for result in outcome.results] == ["training", "test"]


def test_it_stops_early(dataset, tmp_path):
    outcome = train_here(plan_of(training_config(dataset, tmp_path, epochs=60, patience=2, learning_rate=0.05)))
    assert outcome.stopped_early
    assert len(outcome.history.epochs) == outcome.history.best_epoch + 3


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos"), 8)


PHASES = ("epochs=3 stages=1 learning-rate=0.1", "epochs=2 stages=3", "epochs=2 stages=all optimizer=adam")


def test_clips_are_trained_on_as_by_a_plain_loop(videos, tmp_path):
    plan = plan_of(clip_config(videos, tmp_path, epochs=2, batch_size=5, optimizer="adam", learning_rate=1e-3))
    outcome = train_here(plan)
    torch.manual_seed(0)
    small = {"frames": 16, "height": 16, "width": 16, "width_factor": 0.05, "pixels": "signed"}
    model = build_clip_model("c3d", num_classes=3, options=small)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    losses, states = [], []
    with closing(plan.data.feed(Worker())) as feed:
        source = feed.source(plan.data.splits["training"], BatchOrder(batch_size=5, shuffle=True))
        measured = feed.source(plan.data.splits["validation"], BatchOrder(batch_size=100))
        for epoch in range(2):
            torch.manual_seed(epoch_seed(0, epoch, 0))
            model.train()
            for batch in source.batches(epoch):
                optimizer.zero_grad()
                F.cross_entropy(model(batch.clips), batch.targets).backward()
                optimizer.step()
            model.eval()
            (batch,) = measured.batches()
            with torch.inference_mode():
                losses.append(float(F.cross_entropy(model(batch.clips), batch.targets)))
            states.append({name: value.clone() for name, value in model.state_dict().items()})
    for record, loss in zip(outcome.history.epochs, losses, strict=True):
        assert record.validation["loss"] == pytest.approx(loss, rel=1e-5)
    for name, value in states[int(np.argmin(losses))].items():
        assert torch.equal(value, outcome.state[name]), name


def test_caching_the_outputs_of_frozen_stages_changes_nothing(videos, tmp_path):
    config = clip_config(videos, tmp_path / "kept", phases=PHASES[:2])
    kept = train_here(plan_of(config))
    anew = train_here(plan_of(config.with_values(output=str(tmp_path / "anew"), keep_frozen_mib=0)))
    assert "frozen stages" in kept.seconds_by_stage
    for one, other in zip(kept.history.epochs, anew.history.epochs, strict=True):
        for name in ("training", "validation"):
            # Batches are composed otherwise, which the last bits of a convolution may depend on.
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-5)
    assert all(torch.allclose(value, anew.state[name], atol=1e-6) for name, value in kept.state.items())


@pytest.mark.parametrize(
    "stops", [(4,), pytest.param((3, 5), marks=pytest.mark.heavy), pytest.param((1, 6), marks=pytest.mark.heavy)]
)
def test_a_training_resumed_in_any_phase_equals_an_uninterrupted_one(videos, tmp_path, stops):
    options = {"phases": PHASES, "placement": "random", "augment": ("flip=0.5", "colour=0.5"), "patience": 5}
    whole = train_here(plan_of(clip_config(videos, tmp_path / "whole", **options)))
    plan = plan_of(clip_config(videos, tmp_path / "stopped", **options))
    resumed = stopped_and_resumed(plan, stops)
    assert curve(resumed.history) == curve(whole.history)
    assert [record.phase for record in resumed.history.epochs] == [0] * 3 + [1] * 2 + [2] * 2
    assert resumed.resume_log.resumed_at_epoch == stops
    assert all(torch.equal(value, whole.state[name]) for name, value in resumed.state.items())


def test_lost_videos_are_looked_for_once(videos, tmp_path):
    folder = write_videos(tmp_path / "videos", 6)
    broken = folder / "red" / "broken.mp4"
    broken.write_bytes(b"\0" * 100)
    plan = plan_of(clip_config(folder, tmp_path / "out", fractions=("0.6", "0.4", "0")))

    def report(record):
        raise StoppedError

    with pytest.raises(StoppedError):
        TrainingWorker(plan, SingleWorker(), 1, device=torch.device("cpu"), report=report)()
    # What is mended meanwhile belongs to another training: this one has begun without it.
    broken.write_bytes((folder / "red" / "000.mp4").read_bytes())
    outcome = train_here(plan)
    assert [(video.id, video.code) for video in outcome.lost] == [("red/broken", "not_media")]
    assert sum(result.videos for result in outcome.results) == 18


@pytest.mark.heavy
def test_stages_that_are_computed_again_change_nothing(videos, tmp_path):
    small = ("frames=16", "height=32", "width=32", "width_factor=0.1")
    options = {"epochs": 1, "model": "s3d", "model_options": small, "fractions": ("0.3", "0.7", "0")}
    plain = train_here(plan_of(clip_config(videos, tmp_path / "plain", **options)))
    anew = train_here(plan_of(clip_config(videos, tmp_path / "anew", **options, recompute=True)))
    assert curve(anew.history) == curve(plain.history)
    assert all(torch.equal(value, plain.state[name]) for name, value in anew.state.items())
