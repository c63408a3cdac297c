"""Whatever happens to decoder processes, every task has its outcome, in order."""

import os
import signal
import socket
from contextlib import closing

import numpy as np
import pytest

from cluster.clips.decoder import ClipTask, decode
from cluster.clips.decoder_pool import ClipDecoderPool
from extractors.clips.sampling import ClipSampling
from schemas.clips import UNIT, ClipFormat
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.clusters import command_of, descendants
from tests.support.poison import decompression_bomb
from tests.support.trainings import COLOURS, write_clip

FORMAT = ClipFormat(frames=4, height=16, width=16, resize=(18, 24), fps=None, **UNIT)


def task(path, **options):
    defaults = {"format": FORMAT, "sampling": ClipSampling(), "seed": 0, "memory_bytes": 1 << 30, "time_seconds": 60.0}
    return ClipTask(video=Video(str(path), str(path)), **{**defaults, **options})


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return [write_clip(folder / f"{number}.mp4", COLOURS["red"], number) for number in range(12)]


@pytest.fixture(scope="module")
def decoders():
    with closing(ClipDecoderPool(2)) as decoders:
        yield decoders


def test_outcomes_come_in_order_and_are_those_of_this_process(decoders, videos):
    tasks = [task(path) for path in videos]
    for found, expected in zip(decoders.decode(tasks), map(decode, tasks), strict=True):
        assert found.shape == (4, 16, 16, 3)
        assert np.array_equal(found, expected)


def test_a_bad_video_fails_alone(decoders, videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0" * 200)
    outcomes = list(decoders.decode([task(path) for path in (videos[0], broken, tmp_path / "nowhere.mp4", videos[1])]))
    codes = [outcome.code if isinstance(outcome, VideoError) else None for outcome in outcomes]
    assert codes == [None, FailureCode.NOT_MEDIA, FailureCode.MISSING, None]


def test_a_video_that_takes_too_much_memory_fails_alone(decoders, videos, tmp_path):
    bomb = decompression_bomb(tmp_path / "bomb.mov", 8000, 4)
    first, second, third = decoders.decode([task(videos[0]), task(bomb, memory_bytes=1 << 20), task(videos[1])])
    assert second.code == FailureCode.MEMORY_LIMIT
    assert "(--memory-limit-mib)" in second.message
    assert first.shape == third.shape == (4, 16, 16, 3)


def test_a_limit_on_time_costs_one_video(decoders, videos):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_uri = f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        first, second = decoders.decode([task(silent_uri, time_seconds=2.0), task(videos[1])])
    assert first.code == FailureCode.TIME_LIMIT
    assert "(--time-limit)" in first.message
    assert second.shape == (4, 16, 16, 3)


def test_a_process_that_does_not_answer_is_replaced(decoders, videos):
    outcomes = decoders.decode([task(path, time_seconds=0.5) for path in videos])
    found = [next(outcomes)]
    stopped = [pid for pid in descendants(os.getpid()) if "cluster.clips.decoder" in command_of(pid)][-1]
    os.kill(stopped, signal.SIGSTOP)
    found += outcomes
    assert [getattr(outcome, "shape", outcome) for outcome in found] == [(4, 16, 16, 3)] * 12
    assert stopped not in descendants(os.getpid())


def test_a_process_that_dies_affects_no_other_video(decoders, videos):
    tasks = [task(videos[number % 12], seed=number) for number in range(40)]
    found = []
    for outcome in decoders.decode(tasks):
        found.append(outcome)
        if len(found) in (5, 20):
            victims = [pid for pid in descendants(os.getpid()) if "cluster.clips.decoder" in command_of(pid)]
            os.kill(victims[-1], signal.SIGKILL)
    assert len(found) == 40
    assert all(np.array_equal(found[number], found[number % 12]) for number in range(40))


def test_a_random_clip_that_fails_is_replaced_by_the_deterministic_one(decoders, videos, tmp_path):
    fallback = ClipSampling()
    impossible = task(videos[0], sampling=ClipSampling(placement="random"), time_seconds=60.0, fallback=fallback)
    (found,) = decoders.decode([impossible])
    assert found.shape == (4, 16, 16, 3)
    missing = task(tmp_path / "nowhere.mp4", sampling=ClipSampling(placement="random"), fallback=fallback)
    (lost,) = decoders.decode([missing])
    assert lost.code == FailureCode.MISSING


def test_one_caller_at_a_time(decoders, videos):
    with closing(decoders.decode([task(path) for path in videos])) as outcomes:
        next(outcomes)
        with pytest.raises(RuntimeError, match="at work for another caller"):
            next(decoders.decode([task(videos[0])]))
    assert len(list(decoders.decode([task(videos[0])]))) == 1


def test_a_reader_that_stops_early_does_not_disturb_the_next(decoders, videos):
    tasks = [task(path) for path in videos]
    with closing(decoders.decode(tasks)) as outcomes:
        next(outcomes)
    assert np.array_equal(next(iter(decoders.decode(tasks[5:6]))), decode(tasks[5]))


def test_processes_end_with_their_owner(videos):
    decoders = ClipDecoderPool(2)
    list(decoders.decode([task(videos[0])]))
    before = [pid for pid in descendants(os.getpid()) if "cluster.clips.decoder" in command_of(pid)]
    decoders.close()
    after = [pid for pid in descendants(os.getpid()) if "cluster.clips.decoder" in command_of(pid)]
    assert len(before) - len(after) == 2
    decoders.close()
