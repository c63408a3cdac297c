"""The whole job, compared with the bound set by its stages and with the baseline pipeline.

    python benchmarks/end_to_end.py CLIP … [--seconds 180] [--without-sound] [--json FILE]

The clips are listed repeatedly until the bound is `--seconds`. The bound: each core decodes and embeds the same clips
in a process of its own, sharing nothing but memory bandwidth; their CPU seconds divided by the cores. The baseline
pipeline (`benchmarks/baseline_pipeline.py`) processes each clip once. Frames/s are compared, start-up included. The
baseline has no sound, which the job embeds too; `--without-sound` removes the sound from the clips, so that both do the
same work.
"""

from __future__ import annotations

import argparse
import csv
import math
import multiprocessing
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.job_run import ROOT, run_job
from benchmarks.measure import cores, write_json
from benchmarks.sample_clips import natural_clips, pictures_of, short_clips


def stage_seconds(clips: list[str]) -> tuple[float, int]:
    """CPU seconds of decoding and embedding `clips` in this process, and the number of frames."""
    import torch

    from extractors.embedder_config import EmbedderConfig
    from extractors.embedders import AudioEmbedder, FrameEmbedder
    from extractors.extract import Extractor
    from extractors.networks.precision import resolve_precision
    from extractors.sampling import SamplingConfig
    from extractors.weights.resolve import ResolvedWeights
    from schemas.videos import Video

    def embedder(kind: str) -> EmbedderConfig:
        pca = ResolvedWeights("frame-pca" if kind == "frames" else "sound-pca", "random:0", seed=0)
        weights = ResolvedWeights(kind, "random:0", seed=0)  # type: ignore[arg-type]
        return EmbedderConfig(weights, pca, resolve_precision("auto", torch.device("cpu")), threads=1)

    extractor = Extractor(SamplingConfig(), FrameEmbedder(embedder("frames")), AudioEmbedder(embedder("sound")))
    extractor.setup()
    frames = 0
    for is_counted in (False, True):  # the first pass warms up
        started = time.process_time()
        for clip in clips:
            video = Video(id=clip, uri=clip)
            features, others = extractor(clip, video)
            parts = [features] + [extractor(clip, video, segment)[0] for segment in others]
            frames += is_counted * sum(part.num_frames for part in parts)
    return time.process_time() - started, frames


def bound(clips: list[str]) -> tuple[float, int]:
    """Seconds that all cores together need for `clips`, and the number of frames."""
    with multiprocessing.get_context("spawn").Pool(cores(), maxtasksperchild=1) as pool:
        results = pool.map(stage_seconds, [clips] * cores(), chunksize=1)
    return sum(seconds for seconds, _ in results) / len(results) / cores(), results[0][1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--seconds", type=float, default=180, help="minimum duration of the run, by the bound")
    parser.add_argument("--without-sound", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = arguments.clips or [str(clip) for clip in natural_clips(Path(folder, "clips"))]
        clips = [str(Path(clip).absolute()) for clip in clips]
        if arguments.without_sound:
            clips = [str(pictures_of(Path(clip), Path(folder, str(n)))) for n, clip in enumerate(clips)]
        reference = baseline_in_own_process(clips, Path(folder, "reference.json"))
        bound_seconds, frames = bound(clips)
        times = max(1, math.ceil(arguments.seconds / bound_seconds))
        short_clips(Path(folder, "first"), 1)
        manifest = Path(folder, "manifest.csv")
        with manifest.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("id", "uri"))
            # A short video first, whose completion ends the start-up.
            rows.writerow(("first", str(Path(folder, "first", "000000.mp4"))))
            rows.writerows((f"{time}-{number}", clip) for time in range(times) for number, clip in enumerate(clips))
        job = run_job(manifest)
    result = {
        "clips": len(clips),
        "has_sound": not arguments.without_sound,
        "times": times,
        "job": asdict(job),
        "bound_seconds": bound_seconds * times,
        "share_of_bound": bound_seconds * times / job.wall_seconds,
        "share_of_bound_after_startup": bound_seconds * times / job.working_seconds,
        "job_frames_per_second": job.frames / job.wall_seconds,
        "reference_frames_per_second": reference,
        "times_reference": job.frames / job.wall_seconds / reference,
    }
    print(f"{job.frames} frames of {job.videos} videos in {job.wall_seconds:.1f} s on {cores()} cores")
    print(f"start-up until the first finished video: {job.startup_seconds:.1f} s")
    print(f"bound of the stages: {bound_seconds * times:.1f} s ({frames * times} frames); reached: ", end="")
    print(f"{result['share_of_bound']:.0%}, after start-up {result['share_of_bound_after_startup']:.0%}")
    print(f"baseline pipeline: {reference:.1f} frames/s; the job: {result['job_frames_per_second']:.1f}, ", end="")
    print(f"{result['times_reference']:.2f} times the baseline")
    write_json(arguments.json, result)


def baseline_in_own_process(clips: list[str], path: Path) -> float:
    """Frames/s of the baseline pipeline, in a process with default thread counts."""
    import json

    subprocess.run(
        [sys.executable, "benchmarks/baseline_pipeline.py", *clips, "--json", str(path)], cwd=ROOT, check=True
    )
    run = json.loads(path.read_text())
    return float(run["frames"] / run["wall_seconds"])


if __name__ == "__main__":
    main()
