"""Clips of users' videos, for calibration and for checks: one of each video, as the checkpoint samples them.

In: what names videos (`cluster.datasets.manifest`). Out: clips, uint8 (T, H, W, C), and warnings for the videos that
have none. Decoders are supervised processes (`cluster.clips`), as decoding is not trusted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classifiers.model_options import parse_options
from cluster.clips.decoder import ClipTask
from cluster.clips.decoder_pool import ClipDecoderPool
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_videos import ManifestError
from cluster.export.config import ExportOptions
from cluster.storage.redaction import redacted, redacted_uri
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipInput
from schemas.errors import InputError
from schemas.outcomes import VideoError
from schemas.videos import Video

logger = logging.getLogger("framemill")


def videos_of(sources: Sequence[str], options: ExportOptions) -> list[Video]:
    """The videos that `sources` name, at most `max_videos` of them. Raises `InputError` with all problems."""
    problems: list[str] = []
    videos: list[Video] = []
    for source in sources:
        try:
            videos += read_videos(source, options.folders.exclude, options.policy)
        except ManifestError as error:
            problems.append(str(error))
    if problems:
        raise InputError(*problems)
    if len(videos) <= options.max_videos:
        return videos
    places = np.linspace(0, len(videos) - 1, options.max_videos).round().astype(int)
    return [videos[place] for place in places]


def clips_of(videos: Sequence[Video], clips: ClipInput, options: ExportOptions) -> Iterator[NDArray[np.uint8]]:
    """A clip of each video. Raises `InputError` if none of them has any."""
    sampling = replace(_deterministic(clips), views=1, crops=1)
    tasks = (
        ClipTask(
            video=video,
            format=clips.format,
            sampling=sampling,
            seed=0,
            memory_bytes=options.memory_limit_mib << 20,
            time_seconds=options.time_limit,
            policy=options.policy,
        )
        for video in videos
    )
    found = 0
    with closing(ClipDecoderPool(1)) as decoders:
        for video, outcome in zip(videos, decoders.decode(tasks), strict=True):
            if isinstance(outcome, VideoError):
                logger.warning(f"{redacted_uri(video.uri)}: {outcome.code}: {redacted(outcome.message)}")
                continue
            found += 1
            yield outcome
    if videos and not found:
        raise InputError(f"none of {len(videos)} videos could be decoded, the first is {redacted_uri(videos[0].uri)}")


def _deterministic(clips: ClipInput) -> ClipSampling:
    sampling = parse_options(ClipSampling(), clips.sampling, "the sampling that the checkpoint names")
    return ClipSampling(short=sampling.short) if sampling.placement == "random" else sampling
