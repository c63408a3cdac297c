"""Whether the memory of timelines depends on the length of a video: 1 minute, 20 minutes and 2 hours.

    python benchmarks/timelines.py [--minutes 1 20 120] [--model movinet-a0-stream] [--width-factor 1]
        [--fps 5] [--precision fp32] [--segment-seconds 300] [--json FILE]

The videos have 5 small pictures a second. A stream network with random weights, of full size or narrower, watches them
as a worker does: cut into segments, whose state travels as it does between processes, and in one piece. Prints the
peak of the process beyond what it holds once the network is there, what travels with a segment, and CPU milliseconds a
frame.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from benchmarks.sample_clips import long_clip
from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.engines.tasks import Done, TaskQueue
from cluster.engines.video_worker import VideoWorker
from cluster.engines.wire import pack, unpack
from cluster.scoring.config import ScoringOptions
from cluster.scoring.label_writer import VideoLabels
from cluster.scoring.plan import read_checkpoint_at
from cluster.scoring.stream_network import CHUNK_FRAMES
from cluster.scoring.timeline_assembler import TimelineAssembler
from cluster.scoring.timeline_kinds import timeline_kind
from extractors.segments import DEFAULT_SECONDS
from schemas.videos import Video
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips
from tests.support.memory import memory_growth

CLASSES = 600
CLIPS = {"frames": 4}  # for the statistics of batch norm; a stream network takes any number
WHOLE_SECONDS = 1 << 30


@dataclass(frozen=True)
class Cost:
    """What the timeline of a video has taken."""

    peak_bytes: int
    travelling_bytes: int
    frames: int
    steps: int
    seconds_by_stage: dict[str, float]

    @property
    def milliseconds_by_stage(self) -> dict[str, float]:
        """CPU time a frame."""
        return {stage: 1000 * seconds / self.frames for stage, seconds in self.seconds_by_stage.items()}


def watch(path: Path, checkpoint: str, precision: str, segment_seconds: int) -> Cost:
    """Watch one video, in this process."""
    trained = TrainedClipClassifier({checkpoint: read_checkpoint_at(checkpoint)})
    options = ScoringOptions.of(videos=str(path), checkpoint=(checkpoint,), labels="l", timeline=True)
    kind = timeline_kind(trained)
    step_seconds = kind.step_seconds(trained, options.timelines)
    stage = kind.stage(trained, options.timelines, step_seconds, precision, options.clips.max_pixels)
    object.__setattr__(stage, "segment_seconds", segment_seconds)
    worker = VideoWorker(stage, 4 << 30, 86_400.0)
    worker.setup()
    queue, assembler = TaskQueue([Video("v", str(path))]), TimelineAssembler("run", num_classes=CLASSES, top_k=20)
    frames, travelling, seconds, labels = 0, 0, dict[str, float](), None
    with memory_growth() as growth:
        while (task := queue.take()) is not None:
            sent = pack(worker(task))
            outcome = queue.settle(unpack(worker.outcome_type, sent))
            assert isinstance(outcome, Done), outcome
            travelling = max(travelling, len(sent))
            frames += outcome.features.num_frames
            for name, value in outcome.features.seconds_by_stage.items():
                seconds[name] = seconds.get(name, 0.0) + value
            labels = assembler.add(outcome)
    assert isinstance(labels, VideoLabels)
    assert labels.timeline is not None
    return Cost(growth.bytes, travelling, frames, len(labels.timeline.numbers), seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=(1, 20, 120))
    parser.add_argument("--model", default="movinet-a0-stream")
    parser.add_argument("--width-factor", type=float, default=1.0, help="of the published width of the network")
    parser.add_argument("--fps", default="5", help="frames a second that the network watches")
    parser.add_argument("--segment-seconds", type=int, default=DEFAULT_SECONDS)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    costs: dict[str, dict[str, object]] = {}
    print(f"{arguments.model}, {arguments.precision}, {CHUNK_FRAMES} frames at a time", flush=True)
    # A process for each, so that none starts with memory that another one has freed.
    new_process = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
    with new_process as pool, tempfile.TemporaryDirectory() as folder:
        options = {**CLIPS, "width_factor": arguments.width_factor}
        trained = trained_clips(arguments.model, classes=CLASSES, options=options, fps=arguments.fps)
        checkpoint = write_trained(f"{folder}/checkpoint", trained)
        for minutes in arguments.minutes:
            path = long_clip(Path(folder, f"{minutes}.mp4"), 60 * minutes)
            for name, segment_seconds in (("cut", arguments.segment_seconds), ("whole", WHOLE_SECONDS)):
                cost = pool.apply(watch, (path, checkpoint, arguments.precision, segment_seconds))
                costs[f"{minutes} minutes, {name}"] = asdict(cost)
                each = ", ".join(f"{stage} {value:.2f}" for stage, value in cost.milliseconds_by_stage.items())
                print(
                    f"{minutes:4} minutes, {name:>5}: {cost.peak_bytes / 2**20:4.0f} MiB, "
                    f"{cost.travelling_bytes / 2**20:5.2f} MiB travel, {cost.frames:6} frames, {cost.steps:5} steps; "
                    f"ms a frame: {each}",
                    flush=True,
                )
    write_json(arguments.json, costs)


if __name__ == "__main__":
    main()
