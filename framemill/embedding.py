"""Embeddings of pictures and videos in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from cluster.extraction.plan import get_weights, make_extractor
from extractors.features import merge_segments
from extractors.networks.cpu_precision import resolve_cpu_precision
from extractors.sampling import SamplingConfig
from extractors.video.grid import as_fps
from framemill.inputs import local_video
from schemas.errors import InputError
from schemas.videos import Video

if TYPE_CHECKING:
    from extractors.weights.weight_sets import Kind
    from framemill.inputs import Place

WHOLE_SECONDS = 1 << 31  # of a segment that no video exceeds


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """The features of a video at its T sampling times.

    Attributes:
        seconds: The sampling times (T,), float64, after the first frame. Times that could not be decoded are missing.
        frames: Features of the pictures (T, 1024), float32; 2048 wide without a PCA.
        sound: Features of the sound (T, 128), float32; zeros where there is no sound.
        mean_rgb: The mean of `frames`, (1024,), float32, as in the shards.
        mean_audio: The mean of `sound`, (128,), float32.
        has_audio: Whether there is a sound track that can be decoded.
        duration_seconds: Length of the video.
        coverage: The fraction of the sampling times that could be decoded, 1 for an undamaged video.
    """

    seconds: NDArray[np.float64]
    frames: NDArray[np.float32]
    sound: NDArray[np.float32]
    mean_rgb: NDArray[np.float32]
    mean_audio: NDArray[np.float32]
    has_audio: bool
    duration_seconds: float
    coverage: float


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Leave the caller the threads of torch, of which networks take one, so that their bits do not depend on cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class FrameEmbedder:
    """Inception for pictures and VGGish for sound, loaded at their first use, in this process, on one core of the CPU.

    A video gives the same bits as jobs on CPUs write. For many videos, or GPUs, `framemill.extract` is faster.

    Args:
        weights: Of Inception: a published set (`inception-2015`, `inception-imagenet`, `inception-keras`), a path, a
            URI, or `random:SEED`. Sets are downloaded once, into `FRAMEMILL_CACHE`.
        pca: Of the picture features: `yt8m`, a path, a URI, `random:SEED`, or `none` for all 2048.
        audio_weights: Of VGGish: `vggish`, a path, a URI, or `random:SEED`.
        audio_pca: Of the sound features: `vggish`, a path, a URI, `random:SEED`, or `none`.
        fps: Sampling rate in frames a second; `"30000/1001"` is exact.
        precision: `auto`, `bf16`, `fp32` or `int8`; `auto` is bf16 on CPUs that have it.

    Raises:
        InputError: If weights cannot be found, or are of another network.

    Example:
        >>> import framemill
        >>> random = dict(weights="random:0", pca="random:0", audio_weights="random:0", audio_pca="random:0")
        >>> embedder = framemill.FrameEmbedder(**random)  # without arguments, the weights of YouTube-8M
        >>> found = embedder.video(video)
        >>> found.frames.shape, found.sound.shape, found.mean_rgb.shape
        ((2, 1024), (2, 128), (1024,))
    """

    def __init__(
        self,
        weights: str = "inception-2015",
        *,
        pca: str = "yt8m",
        audio_weights: str = "vggish",
        audio_pca: str = "vggish",
        fps: int | float | str = 1,
        precision: str = "auto",
    ) -> None:
        specs: dict[Kind, str] = {"frames": weights, "frame-pca": pca, "sound": audio_weights, "sound-pca": audio_pca}
        problems: list[str] = []
        found, _ = get_weights(specs, problems, quiet=True)
        if problems:
            raise InputError(*problems)
        try:
            sampling = SamplingConfig(fps=str(fps), segment_seconds=WHOLE_SECONDS)
            pictures, sound = (
                resolve_cpu_precision(wanted) for wanted in (precision, "auto" if precision == "int8" else precision)
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        self._extractor, _ = make_extractor(sampling, found, pictures, sound, keeps_values=True, device="cpu")

    def images(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Features (N, 1024), float32, of N pictures: uint8 of shape (height, width, 3), RGB, of any sizes."""
        with _threads_kept():
            try:
                return self._extractor.frames.embed_stream(images)
            except ValueError as error:
                raise InputError(str(error)) from error

    def video(self, path: Place) -> VideoFeatures:
        """The features of a video on this machine, of its pictures and its sound.

        Raises:
            VideoError: If it cannot be read, or less than half of it can be decoded.
        """
        source = local_video(path)
        video = Video(id=source, uri=source)
        with _threads_kept():
            found, others = self._extractor(source, video)
        assert not others
        assert found.values is not None
        row = merge_segments(video, (), [found])
        return VideoFeatures(
            seconds=found.values.points / float(as_fps(self._extractor.sampling.fps)),
            frames=found.values.rgb,
            sound=found.values.audio if row.has_audio else np.zeros_like(found.values.audio),
            mean_rgb=row.mean_rgb,
            mean_audio=row.mean_audio,
            has_audio=row.has_audio,
            duration_seconds=row.duration_seconds,
            coverage=row.coverage,
        )
