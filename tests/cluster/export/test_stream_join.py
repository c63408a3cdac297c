"""Two checkpoints as one: what labels a video as the mean of both, and what does not go together."""

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from cluster.export.stream_join import JoinOptions, join, run_join
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.plan import read_checkpoint_at
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.errors import InputError
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, write_clip_videos

SMALL = {"width_factor": 0.125, "frames": 16, "height": 32, "width": 32}


def trained(model, **changes):
    return trained_clips(model, options=SMALL, **changes)


def test_the_joined_checkpoint_is_the_mean_of_both_on_one_decode(tmp_path):
    (video,) = write_clip_videos(tmp_path / "videos", 1)
    rgb, flow = trained("i3d"), trained("i3d-flow", flow="dis", seed=1, temperature=2.0)
    uris = [str(write_trained(tmp_path / name, one)) for name, one in (("rgb", rgb), ("flow", flow))]
    output = str(tmp_path / "both")
    said = []
    assert run_join(JoinOptions(rgb=uris[0], flow=uris[1], output=output), said.append) == ExitCode.DONE
    assert said == [f"{output}: i3d-two-stream, 4 classes; nothing has measured it yet"]
    both = read_checkpoint_at(output)
    classifier = TrainedClipClassifier({output: both})
    form = classifier.clips.format
    assert (form.channels, form.flow, form.fps) == (5, "dis", "25")
    clips = torch.from_numpy(decode_clips(video, form, ClipSampling()))
    with torch.inference_mode():
        network = classifier.build()
        logits = network(network.prepare(clips))[:, classifier.views.feature_dim :]
        one, other = (clip_model_of(checkpoint).eval() for checkpoint in (rgb, flow))
        seen = [
            torch.from_numpy(decode_clips(video, checkpoint.config.clips.format, ClipSampling()))
            for checkpoint in (rgb, flow)
        ]
        expected = (one(seen[0]) + other(seen[1]) / 2.0) / 2
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert run_join(JoinOptions(rgb=uris[0], flow=uris[1], output=output), said.append) == ExitCode.BAD_INPUT


def test_all_that_does_not_go_together_is_told():
    with pytest.raises(InputError, match="--rgb is of model 'i3d-flow', not of 'i3d'") as raised:
        join(trained("i3d-flow"), trained("i3d"))
    assert "--flow is of model 'i3d', not of 'i3d-flow'" in str(raised.value)
    with pytest.raises(InputError, match="num_classes is 4 in --rgb, 3 in --flow") as raised:
        join(trained("i3d", fps="10"), trained("i3d-flow", classes=3))
    assert "fps is '10' in --rgb, '25' in --flow" in str(raised.value)
