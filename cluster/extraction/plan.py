"""The plan of an extraction: its videos, the worker that extracts them and the dataset that takes the rows.

Making it checks everything that can be wrong before any work is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import Increment, Settled, increment_of
from cluster.datasets.manifest import open_input
from cluster.datasets.manifest_videos import ManifestError, with_versions
from cluster.datasets.partitions import Partition
from cluster.datasets.video_stream import VideoStream, WholeVideos
from cluster.engines.video_worker import VideoWorker
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.recorded import OPTION_OF, PART_OF
from cluster.reports.links import PageLink
from cluster.runs.lifecycle import new_run_id
from cluster.runs.option import spelled
from cluster.storage.download import open_uri, show_download
from cluster.storage.files import StorageError, has_scheme, is_local, local_path
from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.extract import Extractor
from extractors.networks.cpu_precision import resolve_cpu_precision
from extractors.sampling import SamplingConfig
from extractors.weights.content import WeightsError
from extractors.weights.packed import pack_weights
from extractors.weights.resolve import ResolvedWeights, resolve_weights
from extractors.weights.weight_sets import Kind, MissingWeightsError, missing_weights
from schemas.errors import InputError
from schemas.videos import Video

# Raised when sampling changes so that features before and after cannot be compared: datasets and classifiers of earlier
# releases are refused then.
SAMPLING_VERSION = "1"
# Raised when a few files are sampled otherwise, which were sampled wrongly: datasets go on, with a word on older rows.
# 2: cropped, mirrored, joined and raw files, and those with several tracks.
SAMPLING_REVISION = "2"
STAND_IN = "random:0"


@dataclass(frozen=True)
class Inputs:
    """Videos and weights of a run, read and verified.

    absent  weights that a dry run has not fetched, by kind; random ones, which compute as fast, stand in for them
    """

    stream: VideoStream
    weights: dict[Kind, ResolvedWeights | None]
    absent: dict[Kind, str]

    @property
    def videos(self) -> Sequence[Video]:
        """All videos, for which memory must have room."""
        return self.stream.all()

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be listed of a folder."""
        return self.stream.unread

    @property
    def random_weights(self) -> list[str]:
        """Those of the weights that are random numbers, by kind."""
        return [f"{kind} {weights.spec}" for kind, weights in self.weights.items() if weights and weights.is_random]


@dataclass(frozen=True)
class Plan:
    """A run that can start; a dry run also without weights.

    on_gpu        where the networks are
    is_new        whether nothing says yet how the features of the dataset are made
    related       pages that the report links to
    has_pictures  whether the report shows some of the videos
    """

    options: ExtractionOptions
    run_id: str
    inputs: Inputs
    on_gpu: bool
    worker: VideoWorker[Extractor]
    dataset: FeatureDataset
    is_new: bool
    fingerprint: dict[str, str]
    weights_warning: str | None
    related: tuple[PageLink, ...] = ()
    has_pictures: bool = True

    @property
    def videos(self) -> Sequence[Video]:
        """All of them, settled or not, for which memory must have room."""
        return self.inputs.videos

    def increment(self, settled: Settled) -> Increment:
        """What is left to do where `settled` is done."""
        options = self.options
        return increment_of(self.videos, settled, options.failures.retry_failed, redo_earlier=options.redo_earlier)


class NotFetchedError(OSError):
    """Weights that would have to be fetched first."""


def read_inputs(options: ExtractionOptions) -> Inputs:
    """Read the manifest and get the weights; raises `InputError` with all problems of both.

    A dry run does without weights that would have to be fetched.
    """
    problems: list[str] = []
    stream: VideoStream = WholeVideos(())
    try:
        partition = Partition.parse(options.partition)
        stream = open_input(options.input, options.folders.exclude, options.policy, partition)
    except ManifestError as error:
        problems.append(str(error))
    specs: dict[Kind, str] = {
        "frames": options.networks.weights,
        "frame-pca": options.networks.pca,
        "sound": options.networks.audio_weights,
        "sound-pca": options.networks.audio_pca,
    }
    weights, absent = get_weights(specs, problems, quiet=options.reporting.quiet, is_dry_run=options.dry_run)
    if problems:
        raise InputError(*problems)
    if isinstance(stream, WholeVideos):
        stream = stream.with_videos(with_versions(stream.whole, options.policy))
    return Inputs(stream, weights, absent)


def get_weights(
    specs: Mapping[Kind, str], problems: list[str], *, quiet: bool, is_dry_run: bool = False
) -> tuple[dict[Kind, ResolvedWeights | None], dict[Kind, str]]:
    """The weights that names, paths and URIs stand for, and those that a dry run has not fetched; more `problems`."""
    opener = not_fetched if is_dry_run else open_uri
    weights: dict[Kind, ResolvedWeights | None] = {}
    absent: dict[Kind, str] = {}
    missing: list[MissingWeightsError] = []
    for kind, spec in specs.items():
        try:
            with show_download(spec, quiet=quiet) as progress:
                resolved = resolve_weights(_located(spec), kind, open_uri=opener, progress=progress)
            weights[kind] = pack_weights(resolved, is_dry_run=is_dry_run) if resolved is not None else None
        except (WeightsError, StorageError) as error:
            if isinstance(error.__cause__, NotFetchedError):
                absent[kind], weights[kind] = spec, resolve_weights(STAND_IN, kind)
            elif isinstance(error, MissingWeightsError):
                missing.append(error)
            else:
                problems.append(str(error))
    problems += [missing_weights(missing)] if missing else []
    return weights, absent


def not_fetched(uri: str) -> AbstractContextManager[IO[bytes]]:
    """Open nothing: a dry run fetches no weights."""
    raise NotFetchedError(f"a dry run does not fetch {uri}")


def _located(spec: str) -> str:
    """A `file:` URI as a path, since a projection may be a folder or two files."""
    return local_path(spec) if has_scheme(spec) and is_local(spec) else spec


def make_plan(options: ExtractionOptions, inputs: Inputs, *, on_gpu: bool) -> Plan:
    """Join inputs and dataset; raises `InputError` where that fails. `on_gpu`: where the networks are."""
    precision = options.networks.precision
    if on_gpu:
        if precision == "int8":
            raise InputError("precision 'int8' is for networks on CPUs, and this cluster has GPUs; take auto")
        sound_precision = precision = "bf16" if precision == "auto" else precision
    else:
        try:
            sound_precision = resolve_cpu_precision("auto" if precision == "int8" else precision)  # it has no int8
            precision = resolve_cpu_precision(precision)
        except ValueError as error:
            raise InputError(str(error)) from error
    extractor, fingerprint = make_extractor(options.sampling_config(), inputs.weights, precision, sound_precision)
    warning = None
    if inputs.random_weights:
        warning = f"random weights, as requested: {', '.join(inputs.random_weights)}"
    run_id = new_run_id(datetime.now(UTC))
    dataset = FeatureDataset(
        options.output,
        run_id=run_id,
        rgb_dim=extractor.frames.dim,
        frame_features=options.sampling.frame_features,
        fingerprint=fingerprint,
        revision=SAMPLING_REVISION,
        option_of={part: f"--{spelled(name)}" for part, name in OPTION_OF.items()} | {"sound.precision": "--precision"},
        note=warning or "",
        partition=Partition.parse(options.partition),
    )
    is_new = not dataset.check(unknown={PART_OF[kind] for kind in inputs.absent})
    return Plan(
        options=options,
        run_id=run_id,
        inputs=inputs,
        on_gpu=on_gpu,
        worker=VideoWorker(
            extractor,
            options.engine.memory_limit_mib << 20,
            options.engine.time_limit,
            options.policy,
        ),
        dataset=dataset,
        is_new=is_new,
        fingerprint=fingerprint,
        weights_warning=warning,
    )


def make_extractor(
    sampling: SamplingConfig,
    weights: Mapping[Kind, ResolvedWeights | None],
    precision: str,
    sound_precision: str,
    *,
    keeps_values: bool = False,
    device: str = "auto",
) -> tuple[Extractor, dict[str, str]]:
    """The stage that extracts, and the fingerprint of its features."""
    frame_weights, sound_weights = weights["frames"], weights["sound"]
    assert frame_weights is not None
    assert sound_weights is not None
    frames = FrameEmbedder(
        FrameEmbedderConfig(frame_weights, weights["frame-pca"], precision, device=device, threads=1)
    )
    sound = AudioEmbedder(
        AudioEmbedderConfig(sound_weights, weights["sound-pca"], sound_precision, device=device, threads=1)
    )
    return Extractor(sampling, frames, sound, keeps_values=keeps_values), {
        **{f"sampling.{key}": value for key, value in sampling.fingerprint_parts().items()},
        "sampling.version": SAMPLING_VERSION,
        **{f"frames.{key}": value for key, value in frames.fingerprint_parts().items()},
        **{f"sound.{key}": value for key, value in sound.fingerprint_parts().items()},
    }
