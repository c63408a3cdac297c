"""What `jobs/extract_features.py` can be told, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.engines.base import EngineConfig
from cluster.engines.registry import ENGINES
from cluster.runs.command_line import option
from cluster.storage.files import join
from extractors.extract import SAMPLINGS, SamplingConfig
from extractors.networks.precision import PRECISIONS
from extractors.segments import DEFAULT_SECONDS
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS
from schemas.outcomes import FailureCode


@dataclass(frozen=True)
class ExtractionConfig:
    """One run of feature extraction, by its options."""

    input: str = option("folder, glob, bucket prefix, video, or manifest (.csv, .jsonl, .parquet)")
    output: str = option("where the dataset is, or will be: a folder or URI; a second run adds what is missing")
    weights: str = option(
        "Inception: inception-2015, inception-imagenet, a path, a URI, or random:SEED", "inception-2015"
    )
    pca: str = option("of picture features: yt8m, a path, a URI, random:SEED, or none for all 2048", "yt8m")
    audio_weights: str = option("VGGish: vggish, a path, a URI, or random:SEED", "vggish")
    audio_pca: str = option("of sound features: vggish, a path, a URI, random:SEED, or none", "vggish")
    fps: str = option("frames a second that are looked at, such as 1, 0.5 or 30000/1001", "1")
    sampling: str = option(
        "exact, or keyframes: faster, the nearest key frame before stands for the frame that is wanted",
        "exact",
        choices=SAMPLINGS,
    )
    frame_features: bool = option("keep the 8-bit features of every frame beside the means", False)
    max_seconds: int | None = option("use only the first seconds of each video (YouTube-8M used 360)", None)
    segment_seconds: int = option("length of the unit of work; longer videos are spread over workers", DEFAULT_SECONDS)
    max_pixels: int = option("the largest picture that is decoded, in pixels", MAX_PIXELS)
    precision: str = option("of the networks", "auto", choices=("auto", *PRECISIONS))
    rows_per_shard: int = option("videos in one Parquet file", 1024)
    engine: str = option("what carries the work out", "ray", choices=tuple(ENGINES))
    address: str | None = option("of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", None)
    beam_options: tuple[str, ...] = option("pipeline options as NAME=VALUE; by default Beam's local runner", ())
    workers: int | None = option("workers that decode; by default one for each CPU core", None)
    pools: str = option("networks beside the decoders, or apart on GPUs", "auto", choices=("auto", "together", "apart"))
    embed_workers: int | None = option("embedders when they are apart; by default one for each GPU", None)
    time_limit: float = option("seconds that one segment may take", 900.0)
    memory_limit_mib: int = option("MiB that one segment may take beyond the networks", 3072)
    cluster_wait: float = option("seconds for which a Ray cluster may have no CPU core at all", 600.0)
    retry_failed: tuple[str, ...] | None = option(
        "take up failed videos again: those with the given codes, or all",
        None,
        choices=tuple(FailureCode),
    )
    max_failure_ratio: float = option("exit with 3 if more of the videos than this have failed", 0.1)
    dry_run: bool = option("say what would be done and what it would take, and stop", False)
    quiet: bool = option("no progress", False)
    log_format: str = option("of progress on a server", "text", choices=("text", "json"))

    def __post_init__(self) -> None:
        """Check everything, so that all that is wrong is told at once."""
        problems = [
            f"{name.replace('_', '-')} must be above 0 and finite, not {getattr(self, name)}"
            for name in (
                "max_seconds",
                "segment_seconds",
                "max_pixels",
                "rows_per_shard",
                "workers",
                "embed_workers",
                "time_limit",
                "cluster_wait",
                "memory_limit_mib",
            )
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf
        ]
        problems += [f"{name} must not be empty" for name in ("input", "output") if not getattr(self, name).strip()]
        problems += [f"beam-options are NAME=VALUE, not {text!r}" for text in self.beam_options if "=" not in text]
        if not 0 <= self.max_failure_ratio <= 1:
            problems.append(f"max-failure-ratio must be between 0 and 1, not {self.max_failure_ratio}")
        try:
            as_fps(self.fps)
        except (ValueError, ZeroDivisionError):
            problems.append(f"fps must be a number above 0, such as 1, 0.5 or 30000/1001, not {self.fps!r}")
        if problems:
            raise ValueError("; ".join(problems))

    def sampling_config(self) -> SamplingConfig:
        """How videos are read."""
        return SamplingConfig(
            fps=self.fps,
            segment_seconds=self.segment_seconds,
            frame_features=self.frame_features,
            max_seconds=self.max_seconds,
            max_pixels=self.max_pixels,
            sampling=self.sampling,
        )

    def engine_config(self) -> EngineConfig:
        """How much of the machine is used."""
        return EngineConfig(
            workers=self.workers,
            embed_workers=self.embed_workers,
            pools=self.pools,
            time_limit_seconds=self.time_limit,
            wait_seconds=self.cluster_wait,
            address=self.address,
            staging=join(self.output, "staging"),
            beam_options=self.beam_options,
        )
