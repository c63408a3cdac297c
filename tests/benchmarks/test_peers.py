"""What the comparison with peers computes; the peers themselves need environments of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.measure import CommandRun
from benchmarks.peer_environments import PACKAGES, UnavailableError, environment, pinned, requirements
from benchmarks.peer_network import VARIANT, PeerNetwork, on_screen
from benchmarks.peers import Sampled, compared, cost, grid_times, made_environments, our_times, sampled
from extractors.networks.sizes import FEATURE_DIM, IMAGE_SIZE
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import ResolvedWeights
from tests.support.videos import Clip, write_video

# Frames at uneven times, none of them at a whole second, in 1/90,000 s.
UNEVEN = [0, 40_000, 100_000, 170_000, 171_000, 250_000, 300_000]
ON_SCREEN = [0, 40_000, 171_000, 250_000]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "uneven.mkv", Clip(frames=len(UNEVEN), pts=UNEVEN))


def test_the_grid_is_what_is_on_screen_and_what_the_job_samples(clip: Path) -> None:
    assert grid_times(clip)[:4] == pytest.approx([ticks / 90_000 for ticks in ON_SCREEN], abs=1e-3)
    assert our_times(clip) == pytest.approx(grid_times(clip))


def test_frames_of_peers_have_the_size_of_the_network(clip: Path) -> None:
    assert {frame.shape for _, frame in on_screen(str(clip))} == {(IMAGE_SIZE, IMAGE_SIZE, 3)}


def test_frames_beside_the_grid_are_counted() -> None:
    assert compared([0.0, 1.04, 2.0, 3.0], [0.0, 1.0, 2.0]) == Sampled(right=2, others=2, grid=3)
    assert compared([1.0, 1.0], [1.0]) == Sampled(right=1, others=1, grid=1)
    assert sampled({"a": [0.0], "b": [9.0]}, {"a": [0.0], "b": [0.0, 1.0]}) == Sampled(1, 1, 3)
    with pytest.raises(RuntimeError, match="no row for b"):
        sampled({"a": [0.0]}, {"a": [0.0], "b": [0.0]})


def test_a_frame_costs_the_slope_and_start_up_the_rest() -> None:
    runs = {1: [CommandRun(20.0, 15.0, 1), CommandRun(99.0, 15.0, 1), CommandRun(20.0, 15.0, 2)]}
    runs[3] = [CommandRun(40.0, 35.0, 7)]
    found = cost(runs, frames=100)
    assert found.frames_per_cpu_second == pytest.approx(10)
    assert found.frames_per_second == pytest.approx(10)
    assert found.startup_cpu_seconds == pytest.approx(5)
    assert found.whole_frames_per_cpu_second == pytest.approx(300 / 35)
    assert found.peak_pss_bytes == 7


def test_torch_is_without_cuda_and_every_version_is_exact() -> None:
    for peer in PACKAGES:
        wanted = requirements(peer)
        assert wanted[0].startswith("torch==")
        assert wanted[0].endswith("+cpu")
        assert all("==" in each for each in wanted)
    with pytest.raises(ValueError, match="no version"):
        pinned("nothing-of-this-name")


def test_a_peer_that_cannot_be_installed_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(peer: str, cache: Path) -> None:
        raise UnavailableError(f"no wheel of {peer}")

    monkeypatch.setattr("benchmarks.peers.environment", refused)
    assert list(made_environments(["torchcodec", "daft"], tmp_path)) == []
    told = capsys.readouterr().out.splitlines()
    assert told == [f"{name} is left out: no wheel of {name}" for name in ("torchcodec", "daft", "pyav")]


@pytest.mark.heavy
def test_an_environment_that_fails_says_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peer_environments.requirements", lambda peer: ["numpy==0.0.0"])
    monkeypatch.setattr("benchmarks.peer_environments._torch_index", lambda: ["--no-index"])
    with pytest.raises(UnavailableError, match=r"pip install.*numpy==0\.0\.0"):
        environment("pyav", tmp_path)
    assert not list(tmp_path.glob("*/complete"))


@pytest.mark.heavy
def test_the_network_of_peers_is_ours(tmp_path: Path) -> None:
    trained, variant = build_inception(ResolvedWeights("frames", "random:0", seed=0))
    save_file(trained.state_dict(), tmp_path / "w.safetensors", {VARIANT: variant})
    threads = torch.get_num_threads()
    network = PeerNetwork(str(tmp_path / "w.safetensors"), "fp32", 1)
    torch.set_num_threads(threads)
    frames = np.random.default_rng(0).integers(0, 256, (2, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    with torch.inference_mode():
        inputs = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 128) / 128
        expected = trained.forward_features(inputs).numpy()
    found = network(frames)
    assert found.shape == (2, FEATURE_DIM)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
