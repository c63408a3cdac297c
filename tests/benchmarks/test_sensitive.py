"""The benchmark of sensitive scenes, with a small network."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.sensitive import difference, measure, plan_of
from tests.support.npm_package import write_package
from tests.support.videos import Clip, write_video


def test_clips_get_what_the_job_gives_them(tmp_path: Path) -> None:
    clips = [write_video(tmp_path / f"{rate}.mp4", Clip(frames=12, rate=rate)) for rate in (4, 8)]
    threads = torch.get_num_threads()
    plan = plan_of(clips, str(write_package(tmp_path / "small.tgz")), "fp32", event_threshold=0.01)
    first, second = measure(plan)
    assert (first["clip"], first["label"], first["events"]) == (str(clips[0]), "sensitive", [(0.0, 3.0)])
    assert 0.01 < first["score"] <= first["highest"] <= 1
    assert first["highest_at"] in (0.0, 1.0, 2.0)
    assert (first["seconds"], second["seconds"]) == (3.0, 1.5)
    assert second["cpu_seconds_per_second"] > 0
    frames = np.random.default_rng(0).integers(0, 256, (2, 299, 299, 3), np.uint8)
    for off in (0.0, 0.5):
        rows = plan.worker.stage.networks["network"].embed_prepared(torch.from_numpy(frame[None]) for frame in frames)
        np.savez(tmp_path / "expected.npz", frames=frames, logits=rows[:, -5:] + off)
        assert difference(plan, tmp_path / "expected.npz") == (2, pytest.approx(off, abs=1e-6))
    torch.set_num_threads(threads)
