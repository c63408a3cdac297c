from __future__ import annotations

import av
import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import read_checkpoint
from cluster.clips.decoder_pool import ClipDecoderPool
from cluster.training.clip_data import ClipData
from cluster.training.job import run_training
from tests.support.trainings import COLOURS, FILES, clip_config, plan_of, record_of, train_here

MODEL = ("width_factor=0.25", "frames=8", "height=16", "width=16", "dropout=0")
# What a class looks like in the first half of its clips, and in the second: two of them differ late.
CLASSES = {"fades": ("blue", "red"), "glows": ("blue", "green"), "stays": ("red", "red")}
STREAM = {
    "model": "movinet-a0-stream",
    "model_options": MODEL,
    "fps": "5",
    "placement": "start",
    "learning_rate": 0.01,
    "optimizer": "adam",
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Twelve videos of each class, of 8 frames at 5 a second."""
    folder = tmp_path_factory.mktemp("videos")
    for name, colours in CLASSES.items():
        (folder / name).mkdir()
        for seed in range(12):
            write_halves(folder / name / f"{seed:03d}.mp4", colours, seed)
    return folder


def write_halves(path, colours, seed):
    """Noise around one colour, then around another."""
    rng = np.random.default_rng((seed, *path.parent.name.encode()))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for number in range(8):
            noise = np.repeat(np.repeat(rng.normal(0, 30, (6, 8, 3)), 4, 0), 4, 1)
            image = np.clip(np.array(COLOURS[colours[number // 4]]) + noise, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def test_the_curve_is_that_of_the_checkpoint_frame_by_frame(videos, tmp_path):
    """Of a fine-tuning with frozen stages, written by the job."""
    options = clip_config(videos, tmp_path, **STREAM, phases=("epochs=1 stages=1", "epochs=1 stages=3"))
    assert run_training(options) == 0
    assert {path.name for path in tmp_path.iterdir()} == FILES
    found = record_of(tmp_path).by_frame
    assert found is not None
    model = clip_model_of(
        read_checkpoint({path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()})
    )
    data = plan_of(options).data
    assert isinstance(data, ClipData)
    split = data.splits["validation"]
    rows = np.flatnonzero(split.rows)
    tasks = [data.reading.task(data.videos[row], 0, is_deterministic=True) for row in rows]
    pool = ClipDecoderPool(1)
    clips = torch.from_numpy(np.stack(list(pool.decode(tasks))))
    pool.close()
    targets = torch.from_numpy(split.targets.of(rows))
    state, shares = {}, []
    with torch.inference_mode():
        for frame in clips.split(1, dim=1):
            logits, state = model.eval().stream(frame, state)
            shares.append(float((logits[:, 0].argmax(dim=1) == targets).double().mean()))
    assert (found.videos, found.fps) == (len(rows), 5.0)
    assert found.shares == pytest.approx(shares)
    page = (tmp_path / "training.html").read_text()
    assert "How early it knows" in page
    assert "0.2 s seen, validation: " in page


def test_frames_spread_over_a_video_have_no_rate(videos, tmp_path):
    options = clip_config(videos, tmp_path, **STREAM | {"placement": "equal"}, epochs=1)
    found = train_here(plan_of(options)).by_frame
    assert found is not None
    assert (found.fps, len(found.shares)) == (None, 8)


def test_a_network_of_whole_clips_has_no_curve(videos, tmp_path):
    options = clip_config(videos, tmp_path, **STREAM | {"model": "movinet-a0"}, epochs=1)
    assert train_here(plan_of(options)).by_frame is None


@pytest.mark.heavy
def test_a_network_knows_when_there_is_something_to_know(videos, tmp_path):
    """Two of three classes look the same in the first half of their clips."""
    options = clip_config(videos, tmp_path, **STREAM, epochs=40)
    found = train_here(plan_of(options)).by_frame
    assert found is not None
    assert found.shares[-1] == 1.0
    assert max(found.shares[:4]) < 0.8
