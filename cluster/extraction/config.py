"""Options of `jobs/extract_features.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from typing_extensions import override

from cluster.datasets.partitions import Partition, is_partition
from cluster.engines.options import EngineOptions
from cluster.runs.common_options import (
    AccessOptions,
    FailureOptions,
    FolderOptions,
    ReportingOptions,
    read_policy,
    videos_option,
)
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from cluster.storage.read_policy import ReadPolicy
from extractors.length_limit import MAX_GRID_POINTS
from extractors.sampling import SAMPLINGS, SamplingConfig
from extractors.segments import DEFAULT_SECONDS
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS

PRECISIONS = ("auto", "bf16", "fp16", "fp32", "int8")


def is_fps(text: str) -> bool:
    """Whether `text` is a rate that a video can be sampled at."""
    try:
        return as_fps(text) > 0
    except ValueError:
        return False


@dataclass(frozen=True)
class SamplingOptions(Options):
    """Which frames are sampled, and what is kept of them."""

    fps: str = option(
        "1",
        help="sampled frames a second, such as 1, 0.5 or 30000/1001",
        must_be="a number above 0, such as 1, 0.5 or 30000/1001",
        accepts=is_fps,
        common=True,
    )
    frame_features: bool = option(False, help="keep the 8-bit features of each frame beside the means", common=True)
    sampling: str = option(
        "exact",
        help="exact frames, or keyframes: faster, the nearest key frame before each sampling time",
        choices=SAMPLINGS,
    )
    max_seconds: int | None = option(
        None, help="use only so many seconds from the start of each video (YouTube-8M: 360)", minimum=1
    )


@dataclass(frozen=True)
class NetworkOptions(Options):
    """Weights of the networks, and how they compute."""

    weights: str = option(
        "inception-2015",
        help="weights of Inception: inception-2015, inception-imagenet, inception-keras, a path, a URI, or random:SEED",
    )
    pca: str = option("yt8m", help="PCA of picture features: yt8m, a path, a URI, random:SEED, or none for all 2048")
    audio_weights: str = option("vggish", help="weights of VGGish: vggish, a path, a URI, or random:SEED")
    audio_pca: str = option("vggish", help="PCA of sound features: vggish, a path, a URI, random:SEED, or none")
    precision: str = option("auto", help="precision of the networks", choices=PRECISIONS)


# Inception v3, automatic mixed precision, batches: timm's published table for an RTX 3090.
GPU_FRAMES_PER_SECOND = 2_561


@dataclass(frozen=True)
class EstimateOptions(Options):
    """What the estimate of `--dry-run` counts with; prices are in any currency."""

    price_core_hour: float | None = option(
        None, help="price of a CPU core for an hour", minimum=0, below=math.inf, goes_with="dry_run"
    )
    price_gpu_hour: float | None = option(
        None, help="price of a GPU for an hour", minimum=0, below=math.inf, goes_with="dry_run"
    )
    gpu_frames_per_second: float | None = option(
        None,
        help=f"frames that a GPU embeds in a second; {GPU_FRAMES_PER_SECOND:,}, published for an RTX 3090, by default",
        above=0,
        below=math.inf,
        goes_with="dry_run",
    )

    @override
    def conflicts(self) -> list[str]:
        if self.price_gpu_hour is not None and self.price_core_hour is None:
            return ["--price-gpu-hour goes with --price-core-hour: cores feed the GPUs"]
        return []


@dataclass(frozen=True)
class ExtractionOptions(Options):
    """One run of feature extraction."""

    input: str = videos_option()
    output: str = option(
        help="folder or URI of the feature dataset; a later run adds what is missing",
        filled=True,
        is_written=True,
        common=True,
    )
    partition: str = option(
        "1/1",
        help="extract one partition of the videos, such as 1/4, the first of four; runs of all of them, wherever they "
        "are, share the output",
        must_be="a number and how many there are, such as 1/4",
        accepts=is_partition,
    )
    dry_run: bool = option(False, help="print what the run would do and cost, and stop", common=True)
    redo_earlier: bool = option(
        False, help="extract videos again whose features are of a release that sampled some files otherwise"
    )
    segment_seconds: int = option(
        DEFAULT_SECONDS, help="seconds of video in one unit of work; longer videos are spread over workers", minimum=1
    )
    rows_per_shard: int = option(1024, help="videos in one Parquet file", minimum=1)
    max_pixels: int = option(MAX_PIXELS, help="largest frame that is decoded, in pixels", minimum=1)
    max_grid_points: int = option(
        MAX_GRID_POINTS, help="longest video, in sampled frames; one that claims to be longer fails", minimum=1
    )
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    networks: NetworkOptions = field(default_factory=NetworkOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    failures: FailureOptions = field(default_factory=FailureOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)
    estimate: EstimateOptions = field(default_factory=EstimateOptions)

    @property
    def staging(self) -> str:
        """The folder of what driver and workers hand each other."""
        return files.join(self.output, "staging", Partition.parse(self.partition).folder).rstrip("/")

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)

    def sampling_config(self) -> SamplingConfig:
        """How videos are read."""
        return SamplingConfig(
            fps=self.sampling.fps,
            segment_seconds=self.segment_seconds,
            frame_features=self.sampling.frame_features,
            max_seconds=self.sampling.max_seconds,
            max_pixels=self.max_pixels,
            max_grid_points=self.max_grid_points,
            sampling=self.sampling.sampling,
        )
