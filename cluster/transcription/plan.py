"""The plan of a transcription run: the videos, the worker that reads them, and the dataset that takes the transcripts.

Making it checks everything that can be wrong before any work is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from classifiers.inference.lip_reader import LipReader
from classifiers.weights.checkpoint import CheckpointError
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_videos import ManifestError, with_versions
from cluster.datasets.transcript_dataset import TranscriptDataset
from cluster.engines.video_worker import VideoWorker
from cluster.runs.lifecycle import new_run_id
from cluster.runs.options import attempt
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage import files
from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.manner import read_manner
from schemas.errors import InputError
from schemas.videos import Video


@dataclass(frozen=True, kw_only=True)
class TranscriptionPlan:
    """A run that can start.

    model        the name of the lip reader in transcripts
    between      what stands between two words
    fingerprint  what makes transcripts comparable; those of another fingerprint are out of date
    """

    options: TranscriptionOptions
    run_id: str
    started: datetime
    videos: tuple[Video, ...]
    model: str
    between: str
    fingerprint: Mapping[str, str]
    dataset: TranscriptDataset
    worker: VideoWorker[Any]


def make_plan(options: TranscriptionOptions) -> TranscriptionPlan:
    """Read the checkpoint, the manifest and the files of the decoder, and check them.

    Raises:
        InputError: with everything that is wrong.
    """
    started = datetime.now(UTC)
    problems = _unwritable(options)
    reader = _read_reader(options.checkpoint, problems)
    videos = _read_videos(options, problems)
    manner = None
    if reader is not None:
        manner = attempt(
            lambda: read_manner(
                reader, options.mouth, options.windows, options.decoding, max_pixels=options.max_pixels
            ),
            problems,
        )
    if reader is None or manner is None or problems:
        raise InputError(*problems)
    run_id = new_run_id(started)
    engine = options.engine
    return TranscriptionPlan(
        options=options,
        run_id=run_id,
        started=started,
        videos=tuple(with_versions(videos, options.policy)),
        model=reader.name,
        between=manner.stage.decoding.between,
        fingerprint=manner.fingerprint,
        dataset=TranscriptDataset(options.output, run_id=run_id, fingerprint=manner.fingerprint, about=manner.about),
        worker=VideoWorker(manner.stage, engine.memory_limit_mib << 20, engine.time_limit, options.policy),
    )


def _read_reader(uri: str, problems: list[str]) -> LipReader | None:
    try:
        return LipReader(read_checkpoint_at(uri), uri)
    except (CheckpointError, InputError, OSError) as error:
        problems.append(str(error))
        return None


def _read_videos(options: TranscriptionOptions, problems: list[str]) -> list[Video]:
    try:
        return read_videos(options.input, options.folders.exclude, options.policy)
    except ManifestError as error:
        problems.append(str(error))
        return []


def _unwritable(options: TranscriptionOptions) -> list[str]:
    problems = []
    for uri in filter(None, (options.output, options.srt, options.vtt)):
        try:
            files.check_writable(uri)
        except files.StorageError as error:
            problems.append(str(error))
    return problems
