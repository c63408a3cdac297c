"""What a finished training leaves behind."""

import json
from contextlib import closing

import pytest
import torch

from classifiers.data.batches import BatchOrder, Worker
from classifiers.feature_models.registry import build_model
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import load_weights
from cluster.features.source import SourceConfig
from cluster.runs.command_line import parse
from cluster.scoring.plan import read_checkpoint_at
from cluster.training.config import TrainingOptions
from cluster.training.job import run_training
from cluster.training.precision import with_precision
from tests.support.trainings import (
    FILES,
    clip_config,
    curve,
    plan_of,
    record_of,
    training_config,
    write_videos,
)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "classifier"
    assert run_training(training_config(dataset, output)) == 0
    return output


def test_what_a_training_leaves(dataset, trained):
    assert {path.name for path in trained.iterdir()} == FILES
    again = parse(TrainingOptions, ["--config", str(trained / "training.toml")])
    chosen = with_precision(training_config(dataset, trained).settings()).precision
    assert again == training_config(dataset, trained, precision=chosen)
    record = record_of(trained)
    assert record.split_sizes == {name: sum(one.videos[name] for one in record.classes) for name in record.split_sizes}
    assert [one.name for one in record.classes] == ["cat", "dog", "fish"]
    assert len(record.history) == 3
    assert record.resumed_at_epoch == ()
    assert record.machine.engine == "local"
    assert {"opening", "training", "calibration", "evaluation"} <= set(record.seconds_by_stage)
    assert all(mistake.uri == f"in/{int(mistake.id[1:])}.mp4" for mistake in record.splits[0].mistakes)
    assert sum(len(result.mistakes) for result in record.splits) > 0
    assert "<html" in (trained / "training.html").read_text()


def test_the_checkpoint_is_the_model_that_was_measured(dataset, trained):
    checkpoint = read_checkpoint_at(str(trained))
    config, record = checkpoint.config, record_of(trained)
    model = build_model(
        config.model,
        num_classes=config.num_classes,
        rgb_dim=config.rgb_dim,
        audio_dim=config.audio_dim,
        options=config.options,
    )
    load_weights(model, checkpoint)
    model.eval()
    split = plan_of(training_config(dataset, trained)).data.splits["test"]
    right = 0
    in_bf16 = record.configuration["precision"] == "bf16"  # as a CPU that has it measures
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
        for batch in split.source(SourceConfig()).batches():
            right += int((model(*batch.inputs).argmax(dim=1) == batch.targets).sum())
    test = record.splits[-1]
    assert (test.name, right / test.videos) == ("test", test.summary["hit_at_one"])
    assert config.temperature == record.temperature.temperature
    assert config.metrics["gap"] == record.splits[1].summary["gap"]
    assert config.feature_fingerprint == {"source": "test"}
    assert curve(checkpoint.history) == curve(record.history)


def test_no_checkpoint_without_its_report(dataset, tmp_path, monkeypatch):
    output = tmp_path / "out"
    config = training_config(dataset, output, epochs=1)

    def fail(record, pictures, context):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("cluster.training.output.render_training_report", fail)
        assert run_training(config) == 2
    assert not (output / "config.json").exists()
    assert (output / "model.safetensors").exists()  # by then, it is safe
    assert run_training(config) == 0
    assert json.loads((output / "config.json").read_text())["model"] == "dense-5"


def test_the_checkpoint_of_a_clip_classifier_is_the_model_that_was_measured(tmp_path):
    videos, output = write_videos(tmp_path / "videos", 8), tmp_path / "out"
    config = clip_config(videos, output, epochs=4, placement="random", views=4, crops=3, fps="10")
    assert run_training(config) == 0
    checkpoint = read_checkpoint_at(str(output))
    clips = checkpoint.config.clips
    assert (clips.format.fps, clips.format.frames, clips.format.height, clips.format.width) == ("10", 16, 16, 16)
    assert (clips.sampling["placement"], clips.sampling["views"], clips.sampling["crops"]) == ("central", 4, 3)
    assert (checkpoint.config.level, checkpoint.config.rgb_dim, checkpoint.config.input_columns) == ("clip", 0, ())
    model = clip_model_of(checkpoint, str(output)).eval()
    data = plan_of(config).data
    right = 0
    with closing(data.feed(Worker())) as feed, torch.inference_mode():
        for batch in feed.source(data.splits["test"], BatchOrder(batch_size=3)).batches():
            right += int((model(batch.clips).argmax(dim=1) == batch.targets).sum())
    test = record_of(output).splits[-1]
    assert (test.name, right / test.videos) == ("test", test.summary["hit_at_one"])
    assert record_of(output).clips == clips


def test_an_output_that_holds_something_else_is_refused(dataset, tmp_path, caplog):
    output = tmp_path / "classifier"
    output.mkdir()
    (output / "config.json").write_bytes(b"\xff\xfe no text")
    assert run_training(training_config(dataset, output)) == 2
    assert "Give another --output" in caplog.text
