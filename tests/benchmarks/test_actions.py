import json
import sys

import pytest
import torch

from benchmarks import actions
from benchmarks.actions import CLASSES, PARTS, FamilyResult, MeanFrameModel, Trained, read_examples
from benchmarks.generated_actions import class_names, write_actions
from classifiers.clip_models.registry import build_clip_model


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    manifest = write_actions(tmp_path_factory.mktemp("set") / "v", "actions", scenes={"train": 3, "test": 2}, size=32)
    return read_examples(manifest, "actions")


def trained(*validation, test=0.0):
    return Trained(list(validation), test, 0.0, 0.0)


def test_videos_become_clips_with_their_classes(examples):
    assert set(examples) == {"train", "test"}
    assert examples["train"].clips.shape == (24, 16, 32, 32, 3)
    assert examples["train"].clips.dtype == torch.uint8
    assert examples["train"].targets.bincount().tolist() == [3] * CLASSES
    forward, backward = (class_names("actions").index(name) for name in ("right-grow", "shrink-left"))
    rows = {int(target): row for row, target in enumerate(examples["test"].targets)}
    # The last scene of each class: one is the other, played backwards.
    assert torch.equal(examples["test"].clips[rows[forward]], examples["test"].clips[rows[backward]].flip(0))


def test_random_order_keeps_the_frames_of_each_video(examples):
    mixed = examples["test"].with_random_times(0)
    for clip, other in zip(examples["test"].clips, mixed.clips, strict=True):
        assert not torch.equal(clip, other)
        assert sorted(frame.numpy().tobytes() for frame in clip) == sorted(frame.numpy().tobytes() for frame in other)
    assert torch.equal(mixed.targets, examples["test"].targets)


def test_an_epoch_has_every_video_once(examples):
    batches = [batch for part in range(PARTS) for batch in examples["train"].shuffled(1, part)]
    assert sum(len(batch) for batch in batches) == 24
    delivered = sorted(clip.numpy().tobytes() for batch in batches for clip in batch.clips)
    assert delivered == sorted(clip.numpy().tobytes() for clip in examples["train"].clips)
    assert not torch.equal(batches[0].targets, next(examples["train"].shuffled(2, 0)).targets)


def test_the_mean_frame_model_is_correct_on_one_class_of_a_scene(examples):
    """The eight videos of a scene have the same mean, so any network on the mean predicts the same class for all."""
    torch.manual_seed(0)
    best = MeanFrameModel(CLASSES).eval()(examples["test"].clips).argmax(dim=1)
    assert (best == examples["test"].targets).double().mean() == 1 / CLASSES


def test_a_stream_network_is_given_the_frames_one_by_one(examples):
    options = {"width_factor": 0.125, "frames": 16, "height": 32, "width": 32}
    torch.manual_seed(0)
    model = build_clip_model("movinet-a0-stream", num_classes=CLASSES, options=options).eval()
    shares = actions.accuracy_by_frame(model, examples["test"])
    with torch.inference_mode():
        best = model.frame_logits(examples["test"].clips).argmax(dim=2)
    assert shares == tuple((best == examples["test"].targets[:, None]).double().mean(dim=0).tolist())


def test_criteria_of_a_family():
    fast, slow = trained(0.2, 0.93), trained(0.2, 0.5, 0.97, test=0.96)
    assert fast.epochs_needed == 2 / PARTS
    assert trained(0.3).epochs_needed is None
    assert FamilyResult(1, {}, slow, fast, fast).meets_criteria
    assert not FamilyResult(1, {}, slow, fast, slow).meets_criteria
    assert not FamilyResult(1, {}, trained(0.2, 0.3, 0.95, test=0.94), fast, fast).meets_criteria
    assert not FamilyResult(1, {}, slow, fast, trained(0.3)).meets_criteria


@pytest.mark.heavy
def test_the_whole_script_runs_and_names_families_that_miss_the_criteria(monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    few = ["--scenes", "2", "1", "1", "--epochs", "1"]
    monkeypatch.setattr(
        sys, "argv", ["actions.py", "--families", "c3d", "movinet-a0-stream", *few, "--json", str(path)]
    )
    assert actions.main() == 1
    figures = json.loads(path.read_text())
    assert set(figures["families"]) == {"c3d", "movinet-a0-stream"}
    assert figures["mean_frame"]["test"] == pytest.approx(1 / CLASSES)
    assert "criteria not met: c3d, movinet-a0-stream" in capsys.readouterr().out
