import os
import re
from dataclasses import replace
from pathlib import Path

import av
import pytest

from cluster.datasets.increment import Increment
from cluster.datasets.video_folder import list_videos
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.dry_run import _price_lines, estimate
from cluster.extraction.plan import make_plan, read_inputs
from cluster.storage import files
from schemas.errors import InputError
from schemas.records import Machine
from tests.support.poison import decompression_bomb
from tests.support.servers import gs_bucket
from tests.support.videos import Clip, write_video

RANDOM = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
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
        **RANDOM,
        quiet=True,
        fps="4",
        frame_features=True,
        rows_per_shard=2,
    )
    return make_plan(config, read_inputs(config), on_gpu=False)


def estimated(plan, pending, failed=None, relabelled=0, earlier=0):
    return estimate(plan, Increment(pending, frozenset(), failed or {}, earlier), relabelled, lambda: MACHINE)


def number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found.group(1).replace(",", ""))


def test_an_estimate_follows_from_the_videos(plan, monkeypatch):
    monkeypatch.setattr(av, "open", None)  # files are opened in other processes
    text = estimated(plan, plan.videos)
    assert text.startswith(
        "5 videos, 0 settled before, 5 to do\nfrom 5 of them: 3 s and 11 kB on average, 1 cannot be read"
    )
    assert number(text, r"to embed +(\S+) frames at 4 a second") == 4 * 3 * 4
    assert number(text, r"to write +(\S+) shards") == 3
    assert re.search(r"to read      12 s of video, [\d.]+ kB\n", text)
    assert re.search(r"core time    [\d.]+ s decoding, [\d.]+ s embedding", text)
    assert re.search(r"to write .* about [\d.]+ kB$", text)
    rates = re.search(r"here: (\S+) and (\S+) frames/s", text)
    assert 10 < float(rates.group(1)) < 100_000
    assert 1 < float(rates.group(2)) < 10_000
    assert "this cluster 2 CPU cores, 0 GPUs, 1 machine" in text
    assert "GPU time     0.02 s in place of embedding" in text
    assert "to fetch" not in text


def test_prices_give_the_cost_and_what_costs_less(plan):
    def lines(**given):
        priced = replace(plan, options=plan.options.with_values(dry_run=True, **given))
        return estimated(priced, plan.videos[:1]).splitlines()

    (line,) = [line for line in lines(price_core_hour=3600.0) if line.startswith("cost")]
    assert re.fullmatch(r"cost         [\d.,]+ on cores alone", line)
    for price, cheaper in ((0.0, "GPUs"), (1e9, "cores alone")):
        text = "\n".join(lines(price_core_hour=3600.0, price_gpu_hour=price, gpu_frames_per_second=100.0))
        assert "0.12 s in place of embedding on cores, at the 100 frames/s given" in text
        alone, shared, feeding, most = (
            number(text, pattern)
            for pattern in (r"cost +(\S+) on", r"alone, (\S+) with", r"busy \((\S+) of", r"up to (\S+) an hour")
        )
        assert f": {cheaper} cost less" in text
        assert shared == pytest.approx(feeding + 0.12 / 3600 * price, rel=0.01, abs=0.01)
        assert most == pytest.approx((alone - feeding) / (0.12 / 3600), rel=0.2)


def test_the_price_of_a_gpu_goes_with_that_of_a_core(plan):
    with pytest.raises(InputError, match="--price-gpu-hour goes with --price-core-hour"):
        plan.options.with_values(dry_run=True, price_gpu_hour=2.0)
    options = plan.options.with_values(dry_run=True, price_core_hour=0.0, price_gpu_hour=2.0)
    assert _price_lines(1.0, 1.0, 0.0, options.estimate) == ["cost         0.0000 on cores alone"]


@pytest.mark.heavy
def test_requests_are_told_of_videos_in_a_bucket(plan):
    with gs_bucket() as root:
        for video in plan.videos[:2]:
            files.write_bytes(f"{root}/{video.id}.mp4", Path(video.uri).read_bytes())
        videos = list_videos(f"{root}/").videos
        assert "about 2 requests" in estimated(plan, videos)
        assert "requests" not in estimated(plan, plan.videos[:2])


def test_the_limits_of_the_run_hold(tmp_path):
    decompression_bomb(tmp_path / "bomb.mov", 16_000, frames=1)
    weights = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
    limits = {"max_pixels": 1 << 30, "memory_limit_mib": 200}
    options = ExtractionOptions.of(input=str(tmp_path), output=str(tmp_path / "out"), quiet=True, **weights, **limits)
    plan = make_plan(options, read_inputs(options), on_gpu=False)
    text = "1 video, 0 settled before, 1 to do; none of 1 that were looked at can be read"
    assert estimated(plan, plan.videos) == text


def test_nothing_is_written(plan):
    estimated(plan, plan.videos[-1:])
    assert sorted(os.listdir(plan.options.input)) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "text.mp4"]


@pytest.mark.heavy
def test_limits_on_length_count(plan):
    limited = replace(plan, options=plan.options.with_values(max_seconds=1))
    assert number(estimated(limited, plan.videos), r"to embed +(\S+) frames") == 4 * 1 * 4
    cut = [replace(video, start_seconds=1, end_seconds=2) for video in plan.videos[:2]]
    text = estimated(plan, cut)
    assert text.startswith("5 videos, 3 settled before, 2 to do")
    assert number(text, r"to embed +(\S+) frames") == 2 * 1 * 4


def test_nothing_to_do_is_said(plan):
    assert estimated(plan, []) == "5 videos, 5 settled before, 0 to do"


def test_failures_and_labels_of_settled_videos_are_told(plan):
    text = estimated(plan, plan.videos[:1], {"1": "missing"}, relabelled=2, earlier=3)
    assert text.splitlines()[:5] == [
        "5 videos, 4 settled before, of them 1 failed (--retry-failed), 1 to do",
        "  1 × missing: '1' (once they are there: --retry-failed missing)",
        "3 settled videos with features of an earlier release (--redo-earlier)",
        "labels and splits of the manifest for 2 settled videos",
        text.splitlines()[4],
    ]
    assert text.splitlines()[4].startswith("from 1 of them: 3 s")


def test_long_times_are_hours_and_large_sizes_gigabytes(plan):
    many = [replace(plan.videos[0], id=str(number)) for number in range(200_000)]
    text = estimated(plan, many)
    assert re.search(r"to read      1\d\d\.\d hours of video, [\d.]+ GB\n", text), text
    assert re.search(r"core time    [\d.,]+ \S+.* decoding, [\d.,]+ hours embedding", text)


def test_no_weights_are_needed(tmp_path, monkeypatch):
    """Names whose files are not here, and a URI that nobody serves, are neither fetched nor compared."""
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", Clip(frames=75, width=96, height=48))
    options = ExtractionOptions.of(
        input=str(tmp_path / "in"), output=str(tmp_path / "out"), audio_pca="http://127.0.0.1:1/pca.npz", dry_run=True
    )
    plan = make_plan(options, read_inputs(options), on_gpu=False)
    text = estimated(plan, plan.videos)
    assert re.search(r"measured on one core here: \d+ and", text), text
    assert text.splitlines()[-1] == (
        "to fetch     weights: frames inception-2015, frame-pca yt8m, sound vggish, sound-pca "
        "http://127.0.0.1:1/pca.npz (measured with random:0 in their place)"
    )
    unknown = options.with_values(weights="inception-2016")
    with pytest.raises(InputError, match="weights 'inception-2016' for frames not found"):
        read_inputs(unknown)


def test_nothing_is_written_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", Clip(frames=25, width=96, height=48))
    options = ExtractionOptions.of(input=str(tmp_path / "in"), output=str(tmp_path / "out"), dry_run=True, **RANDOM)
    assert all(weights.path is None for weights in read_inputs(options).weights.values())
    assert not (tmp_path / "cache").exists()


def test_nothing_that_can_be_read_is_said(plan):
    broken = [video for video in plan.videos if video.id == "text"]
    text = estimated(plan, broken)
    assert text == "5 videos, 4 settled before, 1 to do; none of 1 that were looked at can be read"


def test_videos_that_show_nothing_give_no_made_up_rates(plan):
    late = [replace(video, start_seconds=100) for video in plan.videos[:1]]
    text = estimated(plan, late)
    assert "no times: none of those that were tried shows a frame" in text
    assert "frames/s" not in text
