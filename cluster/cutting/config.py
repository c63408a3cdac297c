"""Options of `jobs/cut_clips.py`."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field
from fractions import Fraction

from typing_extensions import override

from cluster.annotations.formats import READERS
from cluster.annotations.read import AUTO
from cluster.cutting.outputs import CLIPS_MANIFEST
from cluster.datasets.manifest_writer import WRITERS
from cluster.engines.options import EngineOptions, ray_or_local_option, time_limit_option
from cluster.runs.common_options import AccessOptions, FailureOptions, FolderOptions, ReportingOptions, read_policy
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from cluster.storage.read_policy import ReadPolicy
from extractors.cutting.video_track import DEFAULT_CRF
from extractors.video.media import MAX_PIXELS
from schemas.numerals import number_of

EXACT, KEYFRAMES = CUTS = ("exact", "keyframes")
CLIP, GROUP = SPLIT_UNITS = ("clip", "group")


def is_rate(text: str) -> bool:
    """Whether a text is a number of frames per second."""
    try:
        return number_of(text) > 0
    except ValueError:
        return False


@dataclass(frozen=True)
class CuttingEngineOptions(EngineOptions):
    """Where videos are cut: on a Ray cluster, or on this machine alone."""

    engine: str = ray_or_local_option()
    beam_options: tuple[str, ...] = ()
    pools: str = "auto"
    embed_workers: int | None = None
    time_limit: float = time_limit_option(3600.0, "video")
    memory_limit_mib: int = option(3072, help="MiB of memory that one video may take", minimum=1)


@dataclass(frozen=True)
class AnnotationOptions(Options):
    """How the export is read."""

    format: str = option(
        AUTO,
        help="format of the annotations; auto: by their content",
        choices=(AUTO, *READERS),
        common=True,
    )
    frame_rate: str | None = option(
        None,
        help="frames per second that the export counts, where it counts frames and does not say which: 24, 30000/1001",
        must_be="a number or a fraction above 0",
        accepts=is_rate,
    )
    label_from: str | None = option(
        None, help="where the class stands: name, value, or an attribute, control or tier by name"
    )
    group_from: str | None = option(
        None, help="attribute whose value groups annotations, such as a person: splits keep groups together"
    )
    merge_spellings: bool = option(
        False, help="count labels that differ by case or blanks alone as one: as the most frequent of them"
    )

    @property
    def rate(self) -> Fraction | None:
        """The rate as a number."""
        return None if self.frame_rate is None else number_of(self.frame_rate)


@dataclass(frozen=True)
class SplitOptions(Options):
    """Which clips are for training, validation and test."""

    test: float = option(
        0.2,
        help="fraction of each class for the test, where neither export nor manifest has splits",
        minimum=0,
        below=1,
    )
    validation: float = option(
        0.2, help="fraction of the training clips, where there are none for it", minimum=0, below=1
    )
    seed: int = option(0, help="random seed of the split")
    split_by: str = option(
        GROUP,
        help="keep groups together (by default the clips of a video), or let a recording be in several splits",
        choices=SPLIT_UNITS,
    )


@dataclass(frozen=True)
class CuttingOptions(Options):
    """One manifest of clips."""

    output: str = option(
        help="manifest of clips to write: .csv, .jsonl or .parquet; vocabulary.csv and annotations.html go beside it",
        must_be=f"a file name that ends in {', '.join(WRITERS)}, which is its format",
        accepts=lambda uri: posixpath.splitext(uri)[1].lower() in WRITERS,
        is_written=True,
        common=True,
    )
    annotations: str | None = option(
        None, help="export of an annotation tool, or lists of a data set: file or folder", filled=True, common=True
    )
    videos: str | None = option(
        None, help="folder, glob, bucket prefix, single video, or manifest", filled=True, common=True
    )
    cut: str | None = option(
        None,
        help="also cut files: exact (encoded anew), or keyframes (copied, from the key frame before the first on)",
        choices=CUTS,
        goes_with="clips",
        common=True,
    )
    clips: str | None = option(
        None, help="folder or URI of the cut files, with a manifest of them", filled=True, is_written=True, common=True
    )
    crf: int = option(
        DEFAULT_CRF, help="quality of exact cuts, as x264's constant rate factor: 0 is lossless", minimum=0, maximum=51
    )
    without_sound: bool = option(False, help="leave the sound out of cut files")
    tfrecords: str | None = option(
        None,
        help="also write clips as TFRecords, as TensorFlow's Model Garden reads them: folder or URI",
        filled=True,
        is_written=True,
        common=True,
    )
    record_size: int = option(
        256, help="pixels of the shorter side of frames in TFRecords, at most", minimum=16, goes_with="tfrecords"
    )
    max_pixels: int = option(MAX_PIXELS, help="refuse videos whose frames have more pixels", minimum=1)
    from_tfrecords: str | None = option(
        None,
        help="instead of annotations and videos, turn TFRecords of clips back into files: folder, or one .tfrecord",
        filled=True,
    )
    reading: AnnotationOptions = field(default_factory=AnnotationOptions)
    splits: SplitOptions = field(default_factory=SplitOptions)
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    engine: CuttingEngineOptions = field(default_factory=CuttingEngineOptions)
    failures: FailureOptions = field(default_factory=FailureOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        problems = []
        if self.from_tfrecords is None:
            missing = [name for name in ("annotations", "videos") if getattr(self, name) is None]
            problems += [f"--{name} is required, unless --from-tfrecords is given" for name in missing]
        else:
            unwanted = [name for name in ("annotations", "videos", "tfrecords") if getattr(self, name) is not None]
            problems += [f"--{name} does not go with --from-tfrecords" for name in unwanted]
            if self.cut != EXACT:
                problems.append("--from-tfrecords needs --cut exact and --clips, where the files go")
        if self.clips is not None and self.cut is None:
            problems.append("--clips goes with --cut exact or --cut keyframes")
        if self.cut != EXACT and self.crf != DEFAULT_CRF:
            problems.append("--crf goes with --cut exact: keyframes copies what is there")
        if self.without_sound and self.cut is None:
            problems.append("--without-sound goes with --cut")
        places = [_place(uri) for uri in (self.clips, self.tfrecords) if uri is not None]
        if self.clips is not None and _place(files.join(self.clips, CLIPS_MANIFEST)) == _place(self.output):
            problems.append(
                f"--output {self.output!r} is where the manifest of the cut files goes, which is {CLIPS_MANIFEST} in "
                f"--clips {self.clips!r}: give --output another name or folder"
            )
        if len(set(places)) < len(places):
            problems.append(f"clips and tfrecords must be two places, not both {self.clips!r}")
        return problems

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)


def _place(uri: str) -> str:
    """A URI in one form, by which those of one place are the same."""
    try:
        return os.path.realpath(files.local_path(uri)) if files.is_local(uri) else files.join(uri)
    except files.StorageError:
        return uri  # which is told when it is written to
