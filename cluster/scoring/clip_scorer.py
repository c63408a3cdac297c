"""The stage that labels videos: clips of a video → its top classes, and the mean input of the network's head.

    file ─► clips (V views and crops) ─► network ─► (V, F + K) ─► top classes, mean features

The result depends on the bytes of the video alone, neither on the engine nor on the videos beside it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.inference.clip_base import ViewMean
from cluster.scoring.clip_stage import ClipStage
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.networks.precision import require_finite
from extractors.segments import Segment
from extractors.video.media import Source
from extractors.video.probe import probe
from schemas.videos import Video


@dataclass(frozen=True)
class ClipScores:
    """The result for one video.

    places, scores    (k,) its top classes and their probabilities, the most confident first
    embedding         (F,) float32, where one is wanted
    num_frames        frames that were sampled, each counted once for every view
    duration_seconds  of the wanted part of the video, by its header; 0 where no embedding is wanted
    seconds_by_stage  CPU seconds
    """

    places: NDArray[np.intp]
    scores: NDArray[np.float32]
    embedding: NDArray[np.float32] | None
    num_frames: int
    duration_seconds: float
    seconds_by_stage: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ClipScorer(ClipStage):
    """Decodes and labels, a video at a time."""

    views: ViewMean
    sampling: ClipSampling
    top_k: int
    with_embedding: bool

    @property
    def result_type(self) -> type[ClipScores]:
        """Of what it says of a video."""
        return ClipScores

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[ClipScores, list[Segment]]:
        """The scores of the whole video: it has no segments."""
        started = time.thread_time()
        clips = decode_clips(
            source,
            self.clip_format,
            self.sampling,
            start_seconds=video.start_seconds,
            end_seconds=video.end_seconds,
            max_pixels=self.max_pixels,
        )
        duration_seconds = self._duration(source, video) if self.with_embedding else 0.0
        decoded = time.thread_time()
        results = self.network.embed_prepared(torch.from_numpy(clip) for clip in clips)  # (V, F + K)
        require_finite(results)
        places, scores = self.views.top_classes(results, self.top_k)
        seconds = {"decode": decoded - started, "network": time.thread_time() - decoded}
        embedding = self.views.embedding(results) if self.with_embedding else None
        num_frames = self.sampling.views * self.clip_format.frames
        return ClipScores(places, scores, embedding, num_frames, duration_seconds, seconds), []

    def _duration(self, source: Source, video: Video) -> float:
        if hasattr(source, "seek"):
            source.seek(0)
        whole_seconds = probe(source, max_pixels=self.max_pixels).duration_seconds
        end = whole_seconds if video.end_seconds is None else min(whole_seconds, video.end_seconds)
        return max(float(end - video.start_seconds), 0.0)
