from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier, clip_model_of
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.clip_scorer import ClipScorer
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.outcomes import VideoError
from schemas.videos import Video
from tests.support.clips import FLOW_OPTIONS, trained_clips, write_clip_videos


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_clip_videos(tmp_path_factory.mktemp("videos"), 1, frames=50)[0]


def scorer(checkpoint, **changes):
    trained = TrainedClipClassifier({"c": checkpoint})
    values = {
        "network": ClipNetwork(trained, "fp32"),
        "views": trained.views,
        "clip_format": trained.clips.format,
        "sampling": ClipSampling(views=2, crops=3),
        "top_k": 3,
        "with_embedding": True,
        "max_pixels": 1 << 20,
    }
    return ClipScorer(**{**values, **changes})


@pytest.mark.parametrize(("start", "end"), [(0, None), (1, 2)])
def test_views_and_crops_of_the_part_that_is_wanted_are_averaged(start, end, path):
    checkpoint = trained_clips(temperature=1.5)
    stage = pickle.loads(pickle.dumps(scorer(checkpoint)))
    stage.setup()
    scores, others = stage(str(path), Video("v", str(path), start_seconds=start, end_seconds=end))
    model = clip_model_of(checkpoint).eval()
    clips = decode_clips(path, stage.clip_format, stage.sampling, start_seconds=start, end_seconds=end)
    with torch.inference_mode():
        features = model.forward_features(model.prepare(torch.from_numpy(clips)))
        shares = torch.softmax(model.forward_head(features).double() / 1.5, dim=1).mean(dim=0).numpy()
    assert (len(clips), others) == (6, [])
    assert scores.places.tolist() == np.argsort(-shares)[:3].tolist()
    np.testing.assert_allclose(scores.scores, np.sort(shares)[::-1][:3], rtol=1e-4)
    np.testing.assert_allclose(scores.embedding, features.mean(dim=0), rtol=1e-4, atol=1e-5)
    assert scores.num_frames == 8
    assert scores.duration_seconds == pytest.approx(2.0 if end is None else 1.0)
    assert set(scores.seconds_by_stage) == {"decode", "network"}


def test_flow_is_computed_from_the_video(path):
    checkpoint = trained_clips("i3d-flow", options=FLOW_OPTIONS, flow="dis")
    stage = scorer(checkpoint, sampling=ClipSampling())
    stage.setup()
    scores, _ = stage(str(path), Video("v", str(path)))
    model = clip_model_of(checkpoint).eval()
    (flow,) = decode_clips(path, checkpoint.config.clips.format, ClipSampling())
    assert np.ptp(flow, axis=(0, 1, 2)).min() > 10
    with torch.inference_mode():
        shares = torch.softmax(model(torch.from_numpy(flow)[None])[0], dim=0).numpy()
    np.testing.assert_allclose(scores.scores, np.sort(shares)[::-1][:3], rtol=1e-4)


def test_an_embedding_is_made_where_one_is_wanted(path):
    scores, _ = scorer(trained_clips(), with_embedding=False)(str(path), Video("v", str(path)))
    assert scores.embedding is None


def test_a_file_that_shows_nothing(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoError):
        scorer(trained_clips())(str(tmp_path / "a.mp4"), Video("v", "a.mp4"))
