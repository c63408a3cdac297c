"""The plan of a transcription run: the videos, the worker that reads them, and the dataset that takes the transcripts.

Making it checks everything that can be wrong before any work is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from classifiers.inference.lip_reader import LipReader
from classifiers.weights.checkpoint import CheckpointError
from cluster.datasets.manifest import ManifestError, read_videos, with_versions
from cluster.datasets.transcript_dataset import TranscriptDataset
from cluster.engines.video_worker import VideoWorker
from cluster.runs.lifecycle import new_run_id
from cluster.runs.options import attempt
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage import files
from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.decoding import Decoding, read_decoding
from cluster.transcription.lip_network import LipNetwork
from cluster.transcription.mouths import MouthWindows
from cluster.transcription.transcriber import LipTranscriber
from extractors.faces.mouths import WEIGHTS
from schemas import strict_json
from schemas.errors import InputError
from schemas.lips import FIXED, FOUND, LipInput
from schemas.videos import Video

# Raised whenever the same video would give another transcript.
TRANSCRIPTS_VERSION = "1"


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
    look = None if reader is None else attempt(lambda: _look(reader, options), problems)
    decoding: Decoding | None = None
    decoder: dict[str, str] = {}
    if reader is not None:
        known = len(problems)
        decoding, decoder = read_decoding(options.decoding, reader.alphabet, problems)
        if len(problems) == known:
            problems += _unfit(decoding, options.windows.window)
    if reader is None or look is None or decoding is None or problems:
        raise InputError(*problems)
    fingerprint = {
        "model": f"{reader.config.model}:{reader.config.weights_sha256}",
        "mouth.look": json.dumps(asdict(look), sort_keys=True),
        "mouth.face": str(options.mouth.face or "largest"),
        "mouth.faces": WEIGHTS if look.crop == FOUND else "",
        "windows.frames": str(options.windows.window),
        "windows.overlap": str(options.windows.overlap),
        "version": TRANSCRIPTS_VERSION,
        **decoder,
    }
    about = {
        "framemill.model": reader.name,
        "framemill.alphabet": strict_json.dump(reader.alphabet),
        "framemill.decoder": json.dumps(decoder, sort_keys=True),
    }
    run_id = new_run_id(started)
    size, overlap = options.windows.window, options.windows.overlap
    mouths = MouthWindows(look=look, face=options.mouth.face, size=size, overlap=overlap)
    stage = LipTranscriber(LipNetwork(reader, size), mouths, decoding, options.max_pixels)
    engine = options.engine
    return TranscriptionPlan(
        options=options,
        run_id=run_id,
        started=started,
        videos=tuple(with_versions(videos, options.policy)),
        model=reader.name,
        between="" if reader.alphabet.space is None else " ",
        fingerprint=fingerprint,
        dataset=TranscriptDataset(options.output, run_id=run_id, fingerprint=fingerprint, about=about),
        worker=VideoWorker(stage, engine.memory_limit_mib << 20, engine.time_limit, options.policy),
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


def _look(reader: LipReader, options: TranscriptionOptions) -> LipInput:
    """The crops of the reader, with the place of the mouth that the options name."""
    mouth = options.mouth
    look = reader.look if mouth.crop is None else replace(reader.look, crop=mouth.crop)
    if look.crop == FIXED and mouth.face is not None:
        raise ValueError(f"--face goes with --crop {FOUND}: the checkpoint takes the mouth from a fixed place")
    return look


def _unfit(decoding: Decoding, window_frames: int) -> list[str]:
    """What is wrong with a lexicon and its language model, for the alphabet and for the windows."""
    try:
        _, fewest = decoding.build()
    except ValueError as error:
        return [str(error)]
    if fewest > window_frames:
        return [f"window is {window_frames} frames, but the shortest sentence of the lexicon needs {fewest}"]
    return []


def _unwritable(options: TranscriptionOptions) -> list[str]:
    problems = []
    for uri in filter(None, (options.output, options.srt, options.vtt)):
        try:
            files.check_writable(uri)
        except files.StorageError as error:
            problems.append(str(error))
    return problems
