"""How a lip reader reads videos: the options of a job, checked against one checkpoint, as the stage that reads.

In: the checkpoint, and where the mouth is, the windows, the decoder. Out: `Manner`, with what makes transcripts
comparable and what their files say about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from classifiers.inference.lip_reader import LipReader
from cluster.runs.options import attempt
from cluster.transcription.config import DecodingOptions, MouthOptions, WindowOptions
from cluster.transcription.decoding import Decoding, read_decoding
from cluster.transcription.lip_network import LipNetwork
from cluster.transcription.mouths import MouthWindows
from cluster.transcription.transcriber import LipTranscriber
from extractors.faces.mouths import WEIGHTS
from extractors.length_limit import MAX_GRID_POINTS
from schemas import strict_json
from schemas.errors import InputError
from schemas.lips import FIXED, FOUND, LipInput

# Raised whenever the same video would give another transcript.
TRANSCRIPTS_VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class Manner:
    """A lip reader that is ready to read.

    fingerprint  what makes transcripts comparable; those of another fingerprint are out of date
    about        the model, its alphabet and the decoder, for the metadata of transcripts
    """

    stage: LipTranscriber
    fingerprint: Mapping[str, str]
    about: Mapping[str, str]


def read_manner(
    reader: LipReader,
    mouth: MouthOptions,
    windows: WindowOptions,
    decoding: DecodingOptions,
    *,
    max_pixels: int,
    max_frames: int = MAX_GRID_POINTS,
) -> Manner:
    """The manner of reading that the options name, whose files are read. Raises `InputError` with all that is wrong."""
    problems: list[str] = []
    look = attempt(lambda: _look(reader, mouth), problems)
    known = len(problems)
    made, decoder = read_decoding(decoding, reader.alphabet, problems)
    if len(problems) == known:
        problems += _unfit(made, windows.window)
    if look is None or problems:
        raise InputError(*problems)
    mouths = MouthWindows(look=look, face=mouth.face, size=windows.window, overlap=windows.overlap)
    fingerprint = {
        "model": f"{reader.config.model}:{reader.config.weights_sha256}",
        "mouth.look": json.dumps(asdict(look), sort_keys=True),
        "mouth.face": str(mouth.face or "largest"),
        "mouth.faces": WEIGHTS if look.crop == FOUND else "",
        "windows.frames": str(windows.window),
        "windows.overlap": str(windows.overlap),
        "version": TRANSCRIPTS_VERSION,
        **decoder,
    }
    about = {
        "framemill.model": reader.name,
        "framemill.alphabet": strict_json.dump(reader.alphabet),
        "framemill.decoder": json.dumps(decoder, sort_keys=True),
    }
    network = LipNetwork(reader, windows.window)
    stage = LipTranscriber(network, mouths, made, max_pixels, max_frames)
    return Manner(stage=stage, fingerprint=fingerprint, about=about)


def _look(reader: LipReader, mouth: MouthOptions) -> LipInput:
    """The crops of the reader, with the place of the mouth that the options name."""
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
