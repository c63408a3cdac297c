from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cluster.engines.base import usable_cores
from cluster.live.config import WatchOptions
from cluster.live.job import ready_classifier, run_watch
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import FLOW_OPTIONS, trained_clips
from tests.support.exports import exported

STREAM_OPTIONS = {"frames": 4, "height": 32, "width": 32, "width_factor": 0.25}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("checkpoints")
    kinds = {
        "clips": trained_clips(),
        "others": trained_clips(seed=1),
        "longer": trained_clips(options={"width_factor": 0.125, "frames": 6, "height": 28, "width": 28}),
        "stream": trained_clips("movinet-a0-stream", options=STREAM_OPTIONS),
        "features": trained(),
    }
    return {name: write_trained(root / name, checkpoint) for name, checkpoint in kinds.items()}


def options(checkpoint: Any, **given: Any) -> WatchOptions:
    names = checkpoint if isinstance(checkpoint, tuple) else (checkpoint,)
    return WatchOptions.of(checkpoint=names, source="v.mp4", precision="fp32", **given)


def test_classifiers_are_joined_and_built(checkpoints: dict[str, str]) -> None:
    trained, network = ready_classifier(options((checkpoints["clips"], checkpoints["others"])))
    assert (network.is_stream, network.frames, network.precision) == (False, 4, "fp32")
    assert trained.name.count("r3d-18@") == 2
    assert torch.get_num_threads() == max(usable_cores() - 1, 1)
    _, network = ready_classifier(options(checkpoints["stream"], threads=2))
    assert (network.is_stream, network.frames) == (True, 1)
    assert torch.get_num_threads() == 2


def test_everything_that_is_wrong_is_said_at_once(checkpoints: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "r.parquet").touch()
    given = options((checkpoints["features"], str(tmp_path / "none")), record=str(tmp_path / "r.parquet"))
    with pytest.raises(InputError) as raised:
        ready_classifier(given)
    there, features, missing = raised.value.problems
    assert "recordings replace nothing: give another --record" in there
    assert "takes features: give a classifier of clips" in features
    assert "none" in missing


@pytest.mark.parametrize("model", ["i3d-flow", "i3d-two-stream"])
def test_networks_that_look_at_optical_flow_are_refused(model: str, tmp_path: Path) -> None:
    place = write_trained(tmp_path / "flow", trained_clips(model, options=FLOW_OPTIONS))
    with pytest.raises(InputError, match=rf"{model}.* looks at optical flow, .* framemill label --videos"):
        ready_classifier(options(place))


def test_an_exported_file_needs_no_checkpoint(checkpoints: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "stream.onnx"
    file.write_bytes(exported(trained_clips("movinet-a0-stream", options=STREAM_OPTIONS), "int8")[1])
    given = WatchOptions.of(checkpoint=(str(file),), source="v.mp4")
    classifier, network = ready_classifier(given)
    assert (network.is_stream, network.precision) == (True, "int8")
    assert classifier.name.endswith("-onnx-int8")
    with pytest.raises(InputError, match="an exported file has its own: not fp32"):
        options(str(file))
    with pytest.raises(InputError, match="which torch alone runs"):
        ready_classifier(WatchOptions.of(checkpoint=(checkpoints["features"],), source="v.mp4", backend="onnx"))


def test_clips_of_different_lengths_are_not_averaged(checkpoints: dict[str, str]) -> None:
    with pytest.raises(InputError, match="different clips"):
        ready_classifier(options((checkpoints["clips"], checkpoints["longer"])))


def test_a_stride_is_for_clips(checkpoints: dict[str, str]) -> None:
    with pytest.raises(InputError, match="stride goes with networks that look at clips; movinet-a0-stream@"):
        ready_classifier(options(checkpoints["stream"], stride=2.0))
    assert ready_classifier(options(checkpoints["clips"], stride=2.0))


def test_a_memory_is_for_stream_networks(checkpoints: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"--memory-seconds goes with stream networks.*r3d-18@"):
        ready_classifier(options(checkpoints["clips"], memory_seconds=60.0))
    assert ready_classifier(options(checkpoints["stream"], memory_seconds=60.0))


@pytest.mark.parametrize("record", ["http://127.0.0.1:1/r.parquet", "ftp://h/r.parquet"])
def test_places_that_take_no_recording(checkpoints: dict[str, str], record: str) -> None:
    with pytest.raises(InputError, match="parquet"):
        ready_classifier(options(checkpoints["clips"], record=record))


def test_bad_input_is_an_exit_code(checkpoints: dict[str, str]) -> None:
    assert run_watch(options(checkpoints["features"])) == 2
