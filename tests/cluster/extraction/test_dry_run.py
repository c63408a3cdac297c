import os
import re
from dataclasses import replace

import pytest

from cluster.extraction.config import ExtractionOptions
from cluster.extraction.dry_run import estimate
from cluster.extraction.plan import make_plan, read_inputs
from schemas.records import Machine
from tests.support.videos import Clip, write_video

MACHINE = Machine(engine="local", nodes=1, cpus=2, gpus=0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for number in range(4):
        write_video(folder / f"{number}.mp4", Clip(frames=75, width=96, height=48))
    (folder / "text.mp4").write_text("no video")
    config = ExtractionOptions.of(
        input=str(folder),
        output=str(folder / "out"),
        **dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0"),
        quiet=True,
        fps="4",
        frame_features=True,
        rows_per_shard=2,
    )
    return make_plan(config, read_inputs(config), on_gpu=False)


def number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found.group(1).replace(",", ""))


def test_an_estimate_follows_from_the_videos(plan):
    text = estimate(plan, plan.videos, MACHINE)
    assert text.startswith(
        "5 videos, 0 settled before, 5 to do\nfrom 5 of them: 3.0 s and 0.0 MB on average, 1 cannot be read"
    )
    assert number(text, r"to embed +(\S+) frames at 4 a second") == 4 * 3 * 4
    assert number(text, r"to write +(\S+) shards") == 3
    decoding, embedding = (number(text, rf"core-hours .*?([\d.]+) {stage}") for stage in ("decoding", "embedding"))
    assert decoding + embedding < 0.1
    rates = re.search(r"here: (\S+) and (\S+) frames/s", text)
    assert 10 < float(rates.group(1)) < 100_000
    assert 1 < float(rates.group(2)) < 10_000
    assert "this cluster 2 CPU cores, 0 GPUs, 1 machines" in text
    assert "GPU-hours" in text


def test_nothing_is_written(plan):
    estimate(plan, plan.videos[-1:], MACHINE)
    assert sorted(os.listdir(plan.options.input)) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "text.mp4"]


def test_limits_on_length_count(plan):
    limited = replace(plan, options=plan.options.with_values(max_seconds=1))
    assert number(estimate(limited, plan.videos, MACHINE), r"to embed +(\S+) frames") == 4 * 1 * 4
    cut = [replace(video, start_seconds=1, end_seconds=2) for video in plan.videos[:2]]
    text = estimate(plan, cut, MACHINE)
    assert text.startswith("5 videos, 3 settled before, 2 to do")
    assert number(text, r"to embed +(\S+) frames") == 2 * 1 * 4


def test_nothing_to_do_is_said(plan):
    assert estimate(plan, [], MACHINE) == "5 videos, 5 settled before, 0 to do"


def test_nothing_that_can_be_read_is_said(plan):
    broken = [video for video in plan.videos if video.id == "text"]
    text = estimate(plan, broken, MACHINE)
    assert text == "5 videos, 4 settled before, 1 to do; none of 1 that were looked at can be read"


def test_videos_that_show_nothing_give_no_made_up_rates(plan):
    late = [replace(video, start_seconds=100) for video in plan.videos[:1]]
    text = estimate(plan, late, MACHINE)
    assert "no hours: none of those that were tried shows a frame" in text
    assert "frames/s" not in text
