"""Sensitive scenes: what `--sensitive` says of clips that are known, and what it costs.

    python benchmarks/sensitive.py CLIP … [--checkpoint FILE] [--precision fp32] [--expected FILE] [--json FILE]

Each clip is labelled as `jobs/score_videos.py --sensitive` does it, in this process and on one core. Prints its label
and its score, the most sensitive second and its score, its events, and CPU seconds for a second of video, decoding
included.

`--expected` is an .npz file with `frames`, uint8 (N, 299, 299, 3), and the `logits` (N, K) that another implementation
gives for them on the same weights: the largest difference is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from classifiers.choices import NSFW
from cluster.engines.tasks import TaskQueue
from cluster.scoring.clip_plan import ClipPlan, make_clip_plan, read_clip_inputs
from cluster.scoring.config import PRECISIONS, ScoringOptions
from cluster.scoring.label_writer import VideoLabels
from cluster.scoring.timeline_assembler import TimelineAssembler
from cluster.timelines.events import find_events
from cluster.timelines.sensitive import LABELS, sensitive_scores
from extractors.video.media import open_media
from extractors.video.probe import header_duration
from schemas.videos import Video


def plan_of(clips: Sequence[Path], checkpoint: str, precision: str, **changes: Any) -> ClipPlan:
    """The plan of the job, with the defaults of `--sensitive`, but for `changes`; its network is ready."""
    with tempfile.TemporaryDirectory() as folder:
        values = {"videos": str(clips[0]), "labels": folder, "checkpoint": (checkpoint,), "precision": precision}
        settings = ScoringOptions.of(sensitive=True, **{**values, **changes}).settings()
        videos = [Video(str(clip), str(clip)) for clip in clips]
        plan = make_clip_plan(read_clip_inputs(settings, videos), on_gpu=False)
    plan.worker.setup()
    return plan


def measure(plan: ClipPlan) -> Iterator[dict[str, Any]]:
    """What is found in each video of the plan; raises `ValueError` for one that cannot be decoded."""
    config, rules = plan.writer.config, plan.writer.rules
    step_seconds = plan.settings.options.timelines.step_seconds
    assert rules is not None
    for video in plan.inputs.videos:
        queue = TaskQueue([video])
        assembler = TimelineAssembler("", num_classes=config.num_classes, top_k=1, labels_of=plan.writer.labels_of)
        labels, started = None, time.process_time()
        while (task := queue.take()) is not None:
            outcome = queue.settle(plan.worker(task))
            labels = None if outcome is None else assembler.add(outcome)
        seconds = time.process_time() - started
        if not isinstance(labels, VideoLabels) or labels.timeline is None:
            raise ValueError(f"{video.uri}: {labels}")
        scores = sensitive_scores(labels.timeline)
        with open_media(video.uri) as media:
            length = float(header_duration(media) or len(scores) * step_seconds)
        yield {
            "clip": video.uri,
            "label": LABELS[labels.places[0]],
            "score": float(labels.scores[0]),
            "highest": float(scores.max()),
            "highest_at": float(labels.timeline.numbers[scores.argmax()] * step_seconds),
            "events": [(event.start_seconds, event.end_seconds) for event in find_events(labels.timeline, rules)],
            "seconds": length,
            "cpu_seconds_per_second": seconds / length,
        }


def difference(plan: ClipPlan, expected: Path) -> tuple[int, float]:
    """The number of frames, and the largest difference of their logits from those of another implementation."""
    network = plan.worker.stage.networks["network"]
    with np.load(expected) as arrays:
        frames, logits = arrays["frames"], arrays["logits"]
    rows = network.embed_prepared(torch.from_numpy(frame[None]) for frame in frames)
    return len(frames), float(np.abs(rows[:, -logits.shape[1] :] - logits).max())


def main() -> None:
    """Label every clip and print what is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--checkpoint", default=NSFW)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--expected", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    plan = plan_of(arguments.clips, arguments.checkpoint, arguments.precision)
    result: dict[str, Any] = {"clips": []}
    print(f"{'clip':32}{'label':>10}{'score':>7}{'highest':>9}{'at':>8}{'CPU s/s':>9}  events")
    for found in measure(plan):
        result["clips"].append(found)
        events = ", ".join(f"{start:g}-{end:g} s" for start, end in found["events"])
        print(
            f"{Path(found['clip']).name:32}{found['label']:>10}{found['score']:7.2f}{found['highest']:9.3f}"
            f"{found['highest_at']:6g} s{found['cpu_seconds_per_second']:9.3f}  {events}",
            flush=True,
        )
    seconds = sum(found["seconds"] for found in result["clips"])
    spent = sum(found["cpu_seconds_per_second"] * found["seconds"] for found in result["clips"])
    print(f"{seconds:.0f} s of video, {spent / seconds:.3f} CPU seconds for each")
    if arguments.expected is not None:
        frames, result["difference"] = difference(plan, arguments.expected)
        print(f"logits of {frames} frames: at most {result['difference']:.1e} from those expected")
    write_json(arguments.json, result)


if __name__ == "__main__":
    main()
