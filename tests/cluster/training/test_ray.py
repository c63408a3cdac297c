"""Training on a real Ray cluster of this machine."""

import os
import signal
from contextlib import closing, suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import torch

from classifiers.feature_models.registry import build_model
from classifiers.metrics.evaluation import Evaluation
from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import Connection
from cluster.features.files import FeatureFileError
from cluster.features.source import SourceConfig
from cluster.training.base import ResourceError
from cluster.training.ray import RayTraining
from tests.support.clusters import command_of, descendants
from tests.support.lip_trainings import lip_config, write_manifest
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
def engine():
    ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, logging_level="warning")
    with closing(RayTraining(Connection(None))) as engine:
        yield engine
    ray.shutdown()


def train(engine, config, report=lambda record: None, show=None):
    plan = replace(plan_of(config), progress_every_seconds=0.0)
    return engine.run(plan, engine.resources(config.engine), report, show)


def on_ray(dataset, output, **options):
    return training_config(dataset, output, **{"engine": "ray", **options})


def test_one_worker_equals_local_training(engine, dataset, tmp_path):
    here = train_here(plan_of(training_config(dataset, tmp_path / "here")))
    records, shown = [], []
    there = train(engine, on_ray(dataset, tmp_path / "there"), records.append, shown.append)
    assert curve(there.history) == curve(here.history)
    assert [record.epoch for record in records] == [0, 1, 2]
    assert {f"epoch {number} of 3" for number in (1, 2, 3)} < {progress.stage for progress in shown}
    assert all(torch.equal(value, there.state[name]) for name, value in here.state.items())
    for one, other in zip(here.results, there.results, strict=True):
        assert (one.summary, one.confusion, one.mistakes) == (other.summary, other.confusion, other.mistakes)
    assert here.fit == there.fit


@pytest.mark.heavy
def test_a_lip_reader_learns_on_one_worker_as_here_and_is_measured_by_two(engine, tmp_path):
    manifest = write_manifest(tmp_path)
    options = {"augment": ("drop=0.1", "repeat=0.1"), "clip_cache": str(tmp_path / "cache")}
    here = train_here(plan_of(lip_config(manifest, tmp_path / "here", **options)))
    there = train(engine, lip_config(manifest, tmp_path / "there", engine="ray", **options))
    assert curve(there.history) == curve(here.history)
    assert all(torch.equal(value, there.state[name]) for name, value in here.state.items())
    assert [(one.summary, one.worst) for one in there.results] == [(one.summary, one.worst) for one in here.results]
    both = train(engine, lip_config(manifest, tmp_path / "both", engine="ray", workers=2, **options))
    assert [one.videos for one in both.results] == [one.videos for one in here.results]


@pytest.mark.heavy
def test_two_workers_learn_and_measure_as_one_would(engine, dataset, tmp_path):
    config = on_ray(dataset, tmp_path, workers=2, epochs=6, batch_size=16)
    plan = plan_of(config)
    outcome = engine.run(plan, engine.resources(config.engine), lambda record: None)
    model = build_model("dense-5", num_classes=CLASSES, rgb_dim=DIM, audio_dim=128)
    model.load_state_dict(outcome.state)
    model.eval()
    for result in outcome.results:
        single = Evaluation("single-label", CLASSES, is_full=True, temperature=outcome.fit.temperature)
        with torch.inference_mode():
            for batch in plan.data.splits[result.name].source(SourceConfig(with_ids=True)).batches():
                single.update(model(*batch.inputs), batch.targets, batch.ids)
        assert result.videos == single.videos == len(plan.data.splits[result.name])
        assert result.summary == pytest.approx(single.summary(), rel=1e-5)
        assert np.array_equal(result.confusion, single.confusion.counts)
        assert {mistake.id for mistake in result.mistakes} == {row.id for row in single.mistakes.rows}
    assert outcome.results[1].summary["hit_at_one"] > 0.8


@pytest.mark.heavy
def test_running_statistics_are_shared(engine, dataset, tmp_path):
    frames = write_features(tmp_path / "frames", 120, frames=4)
    config = on_ray(
        frames,
        tmp_path / "out",
        workers=2,
        model="dbof",
        model_options=("clusters=32", "hidden=16"),
        epochs=2,
        batch_size=16,
    )
    outcome = train(engine, config)
    best = outcome.history.epochs[outcome.history.best_epoch]
    # Measured by both workers in the epoch, and again from the weights of the first.
    assert outcome.fit.loss_before == pytest.approx(best.validation["loss"], rel=1e-4)


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_features_end_a_training_at_once(engine, tmp_path, workers):
    dataset = write_features(tmp_path, 120, shards=2)
    path = sorted((dataset / "features").iterdir())[0]
    table = pq.read_table(path)
    values = table["mean_rgb"].combine_chunks().flatten().to_numpy().copy()
    values[5] = np.nan
    column = pa.FixedSizeListArray.from_arrays(pa.array(values), DIM)
    at = table.schema.get_field_index("mean_rgb")
    pq.write_table(table.set_column(at, table.schema.field("mean_rgb"), column), path)
    with pytest.raises(FeatureFileError, match="1 of 60 videos have features that are NaN or infinite: 'v00000'"):
        train(engine, on_ray(dataset, tmp_path / "out", workers=workers))


def test_missing_resources_are_refused(engine, dataset, tmp_path):
    with pytest.raises(ResourceError, match="a GPU each, the cluster has 0"):
        engine.resources(on_ray(dataset, tmp_path, device="gpu").engine)
    assert engine.resources(on_ray(dataset, tmp_path, cpus_per_worker=None).engine).cpus == 2
    assert engine.resources(on_ray(dataset, tmp_path, cpus_per_worker=None, workers=2).engine).cpus == 1


@pytest.mark.heavy
def test_the_loss_of_the_news_ends_a_training_with_a_message(engine, dataset, tmp_path):
    killed = []

    def kill(record):
        for process in descendants(os.getpid()):
            if "_QueueActor" in command_of(process):
                os.kill(process, signal.SIGKILL)
                killed.append(process)

    with pytest.raises(EngineError, match="passes on the workers' news is lost"):
        train(engine, on_ray(dataset, tmp_path, epochs=1000, patience=1000), kill)
    assert len(killed) == 1


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_killed_changes_nothing(engine, dataset, tmp_path, workers):
    options = {"epochs": 6, "workers": workers, "batch_size": 16}
    whole = train(engine, on_ray(dataset, tmp_path / "whole", **options))
    killed = []

    def kill(record):
        if record.epoch == 1 and not killed:
            for process in descendants(os.getpid()):
                if "RayTrainWorker" in command_of(process) and not killed:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                    killed.append(process)

    outcome = train(engine, on_ray(dataset, tmp_path / "killed", **options), kill)
    assert killed
    assert curve(outcome.history) == curve(whole.history)
    assert outcome.results[1].summary == whole.results[1].summary


PHASES = ("epochs=2 stages=1", "epochs=2 stages=3", "epochs=2 stages=all")


@pytest.mark.heavy
def test_clips_on_one_worker_equal_local_training(engine, tmp_path):
    videos = write_videos(tmp_path / "videos", 8)
    here = train_here(plan_of(clip_config(videos, tmp_path / "here", phases=PHASES)))
    there = train(engine, clip_config(videos, tmp_path / "there", phases=PHASES, engine="ray"))
    assert curve(there.history) == curve(here.history)
    assert all(torch.equal(value, there.state[name]) for name, value in here.state.items())


@pytest.mark.heavy
@pytest.mark.parametrize("augment", [(), ("flip=0.5",)])
def test_clips_on_two_workers_killed_in_the_second_phase(engine, tmp_path, augment):
    videos = write_videos(tmp_path / "videos", 10)
    (videos / "blue" / "broken.mp4").write_bytes(b"0" * 100)
    options = {"phases": PHASES, "engine": "ray", "workers": 2, "augment": augment, "fractions": ("0.6", "0.4", "0")}
    whole = train(engine, clip_config(videos, tmp_path / "whole", **options))
    killed = []

    def kill(record):
        if record.epoch == 2 and not killed:
            for process in descendants(os.getpid()):
                if "RayTrainWorker" in command_of(process) and not killed:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                    killed.append(process)

    outcome = train(engine, clip_config(videos, tmp_path / "killed", **options), kill)
    assert killed
    assert curve(outcome.history) == curve(whole.history)
    assert [video.id for video in outcome.lost] == [video.id for video in whole.lost] == ["blue/broken"]
    assert sum(result.videos for result in outcome.results) == 30
    assert all(torch.equal(value, whole.state[name]) for name, value in outcome.state.items())


@pytest.mark.cuda
def test_workers_on_gpus_learn_what_one_on_the_cpu_does(dataset, tmp_path):
    ray.shutdown()
    count = torch.cuda.device_count()
    cluster = {"num_cpus": 2, "num_gpus": count, "include_dashboard": False, "object_store_memory": 80 << 20}
    with ray.init("local", **cluster), closing(RayTraining(Connection(None))) as engine:
        here = train_here(plan_of(training_config(dataset, tmp_path / "here", device="cpu")))
        there = train(engine, on_ray(dataset, tmp_path / "there", device="gpu", workers=min(count, 2)))
    assert there.device == torch.cuda.get_device_name()
    losses = [[epoch.training["loss"] for epoch in outcome.history.epochs] for outcome in (here, there)]
    assert losses[1] == pytest.approx(losses[0], rel=5e-2)
