"""Options of `jobs/transcribe_lips.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from typing_extensions import override

from cluster.engines.options import EngineOptions, memory_limit_option, time_limit_option
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
from cluster.storage.files import join
from cluster.storage.read_policy import ReadPolicy
from extractors.video.media import MAX_PIXELS
from schemas.lips import CROPS, FIXED

GRID = "grid"
LEXICON_BEAM = 50
MAX_PREVIEWS = 100
MAX_WINDOW = 750  # frames, some 7 MB of memory each in the network


@dataclass(frozen=True)
class MouthOptions(Options):
    """Where the mouth is."""

    crop: str | None = option(
        None,
        help="where the mouth is: found by a network, or in the fixed place of the GRID corpus; by default as in the "
        "training of the checkpoint",
        choices=CROPS,
        common=True,
    )
    face: int | None = option(
        None, help="of several faces, the 1st, 2nd … from the left; by default the largest one", minimum=1
    )

    @override
    def conflicts(self) -> list[str]:
        return ["--face goes with --crop found"] if self.crop == FIXED and self.face is not None else []


@dataclass(frozen=True)
class WindowOptions(Options):
    """The windows in which long videos are read."""

    window: int = option(
        75,
        help="frames that the network reads at once; longer videos in several windows",
        minimum=1,
        maximum=MAX_WINDOW,
    )
    overlap: int = option(
        25, help="frames that a window shares with the one before: twice as many as a word has, or more", minimum=0
    )

    @override
    def conflicts(self) -> list[str]:
        if 2 * self.overlap > self.window:
            return [f"overlap is {self.overlap}, it must be at most half of window, which is {self.window}"]
        return []


@dataclass(frozen=True)
class DecodingOptions(Options):
    """How the output of the network becomes text."""

    beam: int | None = option(
        None,
        help=f"prefixes that each step keeps; 0: greedy; by default 0, with --lexicon {LEXICON_BEAM}",
        minimum=0,
        maximum=1 << 16,
        common=True,
    )
    lexicon: str | None = option(
        None,
        help="read words of this text file alone, one a line; or grid: the sentences of the GRID corpus, one for each "
        "window",
        filled=True,
        common=True,
    )
    language_model: str | None = option(
        None,
        help="n-gram model of these words as an ARPA file",
        filled=True,
        goes_with="lexicon",
        common=True,
    )
    lm_weight: float = option(
        1.0, help="weight of the language model", minimum=0, below=math.inf, goes_with="language_model"
    )
    word_bonus: float = option(
        0.0,
        help="added for each word to the logarithm of a sentence's score",
        above=-math.inf,
        below=math.inf,
        goes_with="lexicon",
    )

    @override
    def conflicts(self) -> list[str]:
        if self.lexicon is not None and self.beam == 0:
            return ["--lexicon needs a --beam of 1 or more: greedy decoding knows no words"]
        return []

    @property
    def width(self) -> int:
        """The beam, resolved."""
        return (LEXICON_BEAM if self.lexicon is not None else 0) if self.beam is None else self.beam


@dataclass(frozen=True)
class TranscriptionEngineOptions(EngineOptions):
    """Of the engines, what transcription offers: a video is read in one piece."""

    time_limit: float = time_limit_option(7200.0, "video")
    memory_limit_mib: int = memory_limit_option("video")


@dataclass(frozen=True)
class TranscriptionReportingOptions(ReportingOptions):
    """What a run logs, and what its report shows."""

    previews: int = option(
        12,
        help="videos of which the report has a preview: an animation of the speaker and of what the network sees",
        minimum=0,
        maximum=MAX_PREVIEWS,
    )


@dataclass(frozen=True)
class TranscriptionOptions(Options):
    """One transcription run."""

    checkpoint: str = option(help="folder or URI of a trained lip reader", filled=True, common=True)
    input: str = videos_option()
    output: str = option(
        help="folder or URI of the transcript dataset; a later run adds what is missing",
        filled=True,
        is_written=True,
        common=True,
    )
    srt: str | None = option(
        None,
        help="also write the transcripts of this model to this folder, as subtitles (SubRip)",
        filled=True,
        is_written=True,
        common=True,
    )
    vtt: str | None = option(
        None,
        help="also write the transcripts of this model to this folder, as subtitles (WebVTT)",
        filled=True,
        is_written=True,
        common=True,
    )
    rows_per_shard: int = option(1024, help="videos in one Parquet file", minimum=1)
    max_pixels: int = option(MAX_PIXELS, help="largest frame that is decoded, in pixels", minimum=1)
    mouth: MouthOptions = field(default_factory=MouthOptions)
    windows: WindowOptions = field(default_factory=WindowOptions)
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    engine: TranscriptionEngineOptions = field(default_factory=TranscriptionEngineOptions)
    failures: FailureOptions = field(default_factory=FailureOptions)
    reporting: TranscriptionReportingOptions = field(default_factory=TranscriptionReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        places = [join(uri) for uri in (self.output, self.srt, self.vtt) if uri is not None]
        if len(set(places)) < len(places):
            return ["output, srt and vtt must be different places"]
        return []

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)
