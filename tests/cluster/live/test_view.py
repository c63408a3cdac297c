"""Whole views in this process: of files and of real streams."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.live import reader as reader_module
from cluster.live.config import WatchOptions
from cluster.live.network import LiveNetwork
from cluster.live.screen import Screen
from cluster.live.table import Status
from cluster.live.view import LiveView
from extractors.clips.crops import crop_corners, resized
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.video.decode import sample_frames
from tests.support.clips import trained_clips
from tests.support.streams import http_stream, transport_chunks
from tests.support.videos import Clip, write_video

CLASSES = 4
STREAM_OPTIONS = {"frames": 4, "height": 32, "width": 32, "width_factor": 0.25}


class Kept(Screen):
    """Keeps what it is shown."""

    every_seconds = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[Status] = []

    def _write(self, status: Status) -> None:
        self.statuses.append(status)


@pytest.fixture(scope="module")
def streams() -> TrainedClipClassifier:
    return TrainedClipClassifier({"c": trained_clips("movinet-a0-stream", options=STREAM_OPTIONS)})


@pytest.fixture(scope="module")
def clips() -> TrainedClipClassifier:
    return TrainedClipClassifier({"c": trained_clips()})


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "v.mp4", Clip(frames=50, gop=25))


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Short waits, the log, and the number of threads as it was."""
    monkeypatch.setattr(reader_module, "LONGEST_WAIT", 0.1)
    caplog.set_level(logging.INFO, "framemill")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def view_of(trained: TrainedClipClassifier, source: object, **given: Any) -> tuple[LiveView, Kept]:
    options = WatchOptions.of(checkpoint=("c",), source=str(source), **{"top_k": CLASSES, **given})
    screen = Kept()
    return LiveView(options, trained, LiveNetwork(trained, "fp32", 1), screen), screen


def recorded(path: Path) -> tuple[list[float], np.ndarray, dict[str, Any]]:
    """Times of the results, scores of all classes in their order (results, K), and what the file says of the view."""
    frame = pd.read_parquet(path)
    table = frame.pivot_table(index="seconds", columns="index", values="score")
    view = json.loads(pq.read_metadata(path).metadata[b"framemill.view"])
    return list(table.index), table.to_numpy(), view


def interrupted_once(holds: Callable[[], bool]) -> None:
    """Send Ctrl-C to this process as soon as something holds."""

    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it
    main = threading.main_thread().ident or 0

    def wait() -> None:
        while not holds():
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def test_a_stream_network_says_of_a_file_what_it_says_of_its_samples(
    streams: TrainedClipClassifier, video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    view, screen = view_of(streams, video, record=str(tmp_path / "r.parquet"))
    assert view() == 0
    seconds, scores, about = recorded(tmp_path / "r.parquet")
    samples = list(sample_frames(video, 5))
    form = streams.clips.format
    network = LiveNetwork(streams, "fp32", 1)
    expected = {}
    for sample in samples:
        if any(abs(float(sample.seconds) - each) < 1e-6 for each in seconds):  # a busy machine may drop some
            image = resized(sample.image, form.resize)
            ((top, left),) = crop_corners(image, form.height, form.width)
            places, found = network([image[top : top + form.height, left : left + form.width]], CLASSES)
            expected[float(sample.seconds)] = found[np.argsort(places)]
    assert len(expected) == len(seconds) >= 5
    np.testing.assert_allclose(scores, np.stack(list(expected.values())), atol=1e-6)
    assert about["status"] == "completed"
    assert about["results"] + about["dropped"] == about["frames"] == len(samples) == 10
    (summary,) = [record.message for record in caplog.records if record.message.startswith("completed: ")]
    assert f"{about['frames']} frames, {about['results']} frames looked at, {about['dropped']} dropped" in summary
    assert f"{len(seconds) * CLASSES} rows in {tmp_path / 'r.parquet'}" in summary
    last = screen.statuses[-1]
    assert [name for name, _ in last.labels] == [f"Class {place}" for place in np.argsort(-scores[-1], kind="stable")]


def test_clips_of_a_file_are_those_that_scoring_would_take(
    clips: TrainedClipClassifier, video: Path, tmp_path: Path
) -> None:
    view, _ = view_of(clips, video, record=str(tmp_path / "r.parquet"), stride=0.4)
    assert view() == 0
    seconds, scores, about = recorded(tmp_path / "r.parquet")
    form = clips.clips.format
    network = LiveNetwork(clips, "fp32", 1)
    assert len(seconds) >= 3
    assert about["unit"] == "clips"
    for second, found in zip(seconds, scores, strict=True):
        start = second - (form.frames - 1) / float(form.fps or 0)
        (clip,) = decode_clips(video, form, ClipSampling(placement="start", start_seconds=max(start, 0.0)))
        places, expected = network(list(clip), CLASSES)
        np.testing.assert_allclose(found, expected[np.argsort(places)], atol=1e-6)


def test_the_wall_clock_and_the_view_go_together(streams: TrainedClipClassifier, video: Path, tmp_path: Path) -> None:
    before = pd.Timestamp.now("UTC")
    view, _ = view_of(streams, video, record=str(tmp_path / "r.parquet"))
    view()
    frame = pd.read_parquet(tmp_path / "r.parquet")
    starts = frame["time"] - pd.to_timedelta(frame["seconds"], unit="s")
    assert (starts.max() - starts.min()).total_seconds() < 0.05
    assert 0 <= (starts.iloc[0] - before).total_seconds() < 20


def test_a_network_that_is_too_slow_drops_frames_and_stays_in_time(
    streams: TrainedClipClassifier, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(network: LiveNetwork, frames: Any, top_k: int) -> Any:
        time.sleep(0.5)
        return np.arange(1), np.ones(1, np.float32)

    view, screen = view_of(streams, video)
    monkeypatch.setattr(LiveNetwork, "__call__", slow)
    started = time.monotonic()
    assert view() == 0
    assert time.monotonic() - started < 6
    values = screen.statuses[-1].values
    assert 3 <= values["results"] <= 6
    assert values["dropped"] == 10 - values["results"]
    assert values["longest_latency_ms"] < 1500


def test_a_view_ends_after_its_duration(streams: TrainedClipClassifier, video: Path, tmp_path: Path) -> None:
    view, _ = view_of(streams, video, loop=True, duration=2.5, record=str(tmp_path / "r.parquet"))
    started = time.monotonic()
    assert view() == 0
    assert 2.4 < time.monotonic() - started < 10
    seconds, scores, _ = recorded(tmp_path / "r.parquet")
    assert 2.0 <= seconds[-1] <= 2.8
    again = [number for number, second in enumerate(seconds) if abs(second - 2.0) < 1e-6]
    if again and seconds[0] == 0.0:  # the network has started anew
        np.testing.assert_allclose(scores[again[0]], scores[0], atol=1e-6)


def test_ctrl_c_ends_a_view_with_a_summary_and_a_recording(
    streams: TrainedClipClassifier, video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    view, screen = view_of(streams, video, loop=True, record=str(tmp_path / "r.parquet"))
    interrupted_once(lambda: bool(screen.statuses) and screen.statuses[-1].values["results"] >= 3)
    assert view() == 130
    assert recorded(tmp_path / "r.parquet")[2]["status"] == "interrupted"
    assert any(record.message.startswith("interrupted: ") for record in caplog.records)


def test_a_stream_that_breaks_off_for_good_fails_and_keeps_what_it_had(
    streams: TrainedClipClassifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with http_stream(transport_chunks(), [range(50), range(50, 100)]) as address:
        view, screen = view_of(streams, address, record=str(tmp_path / "r.parquet"), reconnects=1)
        assert view() == 1
    seconds, _, about = recorded(tmp_path / "r.parquet")
    assert len(seconds) >= 6
    assert (about["status"], about["reconnects"]) == ("failed", 1)
    assert about["source"].startswith("http://***@127.0.0.1:")
    text = "\n".join([*(record.message for record in caplog.records), *map(str, screen.statuses), json.dumps(about)])
    assert "secret-word" not in text
    assert "http://***@127.0.0.1" in text
    assert "connecting again in 0.1 s (attempt 1 of 1)" in text
    assert "connected again; the network starts anew" in text
    assert "1 attempt to connect again failed" in text


def test_a_source_that_is_not_there_is_bad_input(
    streams: TrainedClipClassifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    view, _ = view_of(streams, tmp_path / "none.mp4", record=str(tmp_path / "r.parquet"))
    assert view() == 2
    assert f"{tmp_path}/none.mp4: there is no such file" in caplog.text
    assert "completed" not in caplog.text
    assert not list(tmp_path.iterdir())


def test_a_recording_that_cannot_be_written_fails(
    streams: TrainedClipClassifier, video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    view, _ = view_of(streams, video, loop=True, record=str(tmp_path / "file" / "r.parquet"))
    assert view() == 1
    assert "failed: " in caplog.text


def test_scores_that_are_no_numbers_fail(
    streams: TrainedClipClassifier, video: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    view, _ = view_of(streams, video)

    def broken(*given: Any) -> Any:
        raise FloatingPointError("not finite: give another --precision")

    monkeypatch.setattr(LiveNetwork, "__call__", broken)
    assert view() == 1
    assert "not finite" in caplog.text


def test_an_error_in_this_program_leaves_a_recording_that_says_so(
    streams: TrainedClipClassifier, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, _ = view_of(streams, video, loop=True, record=str(tmp_path / "r.parquet"))
    calls = iter(range(10))

    def broken_soon(network: LiveNetwork, frames: Any, top_k: int) -> Any:
        if next(calls) == 2:
            raise RuntimeError("no such kernel")
        return np.arange(CLASSES), np.full(CLASSES, 0.25, np.float32)

    monkeypatch.setattr(LiveNetwork, "__call__", broken_soon)
    with pytest.raises(RuntimeError, match="no such kernel"):
        view()
    seconds, _, about = recorded(tmp_path / "r.parquet")
    assert (len(seconds), about["status"]) == (2, "failed")
    assert "reader" not in {thread.name for thread in threading.enumerate()}
