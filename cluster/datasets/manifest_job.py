"""A data set → a manifest of videos with labels and splits, and its classes' names in `vocabulary.csv` beside it."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from typing_extensions import override

from cluster.datasets.clip_dataset import ClipDataset, DatasetLocation
from cluster.datasets.grouped_splits import TRAINING, GroupedVideo, divided_groups, with_splits
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.manifest_writer import WRITERS, check_vocabulary, write_manifest
from cluster.datasets.public_datasets import DATASETS
from cluster.datasets.video_problems import repeated
from cluster.datasets.vocabulary import VOCABULARY_FILE, Vocabulary, write_vocabulary
from cluster.runs.common_options import AccessOptions, FolderOptions, read_policy
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from cluster.storage.tar_members import is_tar
from schemas.errors import examples
from schemas.text import counted
from schemas.videos import Video

LISTED = ("ucf101", "hmdb51", "kinetics")  # data sets that come with lists
MAY_BE_LISTED = ("grid", "lrs")
SPLIT_UNITS = GROUP, SENTENCE = ("group", "sentence")


@dataclass(frozen=True)
class ManifestAccessOptions(AccessOptions):
    """What an input may reach; no video is read."""

    copy_limit_mib: int = 16384
    copy_time_limit: float = 600.0


@dataclass(frozen=True)
class ManifestOptions(Options):
    """One manifest."""

    dataset: str = option(help="layout of the videos", choices=tuple(DATASETS))
    input: str = option(help="folder or URI of the videos; for `manifest` a manifest file")
    output: str = option(
        help="manifest to write: .csv, .jsonl or .parquet; vocabulary.csv is written beside it",
        must_be=f"a file name that ends in {', '.join(WRITERS)}, which is its format",
        accepts=lambda uri: posixpath.splitext(uri)[1].lower() in WRITERS,
        is_written=True,
    )
    annotations: str | None = option(None, help="folder or URI of the lists that come with the data set")
    split_number: int = option(1, help="which of the data set's lists of training and test", minimum=1)
    classes: tuple[str, ...] = option((), help="only these classes")
    test: float = option(0.2, help="fraction of each class for the test, where no list defines it", minimum=0, below=1)
    validation: float = option(
        0.2, help="fraction of the training videos, where no list defines it", minimum=0, below=1
    )
    seed: int = option(0, help="random seed of the split")
    split_by: str = option(
        GROUP,
        help="keep groups together, such as a speaker's videos, or of known speakers the videos of a sentence",
        choices=SPLIT_UNITS,
    )
    lower_case: bool = option(False, help="write sentences in lower case; LRS and LRW have capitals alone")
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: ManifestAccessOptions = field(default_factory=ManifestAccessOptions)
    skip_missing: bool = option(False, help="leave out listed videos that the folder lacks")

    @override
    def conflicts(self) -> list[str]:
        if self.dataset in LISTED and self.annotations is None:
            return [f"--annotations is required with --dataset {self.dataset}: where its lists are"]
        known = (*LISTED, *MAY_BE_LISTED)
        if self.dataset not in known and self.annotations is not None:
            return [f"--annotations belongs to --dataset {', '.join(known)}, not to {self.dataset}"]
        return []


@dataclass(frozen=True)
class ManifestSummary:
    """Videos of a manifest by split and by class, and the numbers of those without a label and of missing ones.

    sentences, speakers  that are different; 0 where no video has a sentence
    divided              groups that the lists put in several splits
    """

    splits: dict[str, int]
    classes: dict[str, int]
    unlabelled: int
    missing: int
    sentences: int = 0
    speakers: int = 0
    divided: tuple[str, ...] = ()


def make_manifest(options: ManifestOptions) -> ManifestSummary:
    """Write the manifest.

    Raises:
        ManifestError: for problems with the videos or the lists, all at once.
        cluster.storage.files.StorageError, OSError: where nothing can be written.
    """
    files.check_writable(options.output)
    location = DatasetLocation(
        options.input,
        options.annotations or "",
        options.split_number,
        options.folders.exclude,
        read_policy(options.folders, options.access),
    )
    found = DATASETS[options.dataset](location)
    _refuse_tars(options, found)
    classes = _classes(options, found)
    listed, missing = found.listed, tuple(found.missing)
    if options.classes:
        missing = tuple(name for name, label in found.missing.items() if label in classes)
        kept = [(entry, tuple(label for label in entry.video.labels if label in classes)) for entry in listed]
        listed = [GroupedVideo(replace(entry.video, labels=labels), entry.group) for entry, labels in kept if labels]
    if options.split_by == SENTENCE:
        listed = _by_sentence(options, listed)
    videos = with_splits(listed, validation=options.validation, test=options.test, seed=options.seed)
    counts = Counter(str(label) for video in videos for label in video.labels)
    _check(options, missing, videos, counts)
    if options.lower_case:
        videos = [_in_lower_case(video) for video in videos]
    names = files.join(posixpath.dirname(options.output) or ".", VOCABULARY_FILE)
    if classes:
        check_vocabulary(names, found.classes, options.input)
    write_manifest(options.output, sorted(videos, key=lambda video: video.id))
    if classes:
        write_vocabulary(names, Vocabulary(classes))
    return ManifestSummary(
        splits=dict(Counter(video.split for video in videos)),
        classes=dict(sorted(counts.items())),
        unlabelled=sum(not video.labels for video in videos),
        missing=len(missing),
        sentences=len({video.text for video in videos} - {""}),
        speakers=len({video.group for video in videos if video.text} - {""}),
        divided=tuple(divided_groups(listed)),
    )


def _refuse_tars(options: ManifestOptions, found: ClipDataset) -> None:
    """Refuse tars that could not be read to their end: as rows, they would stand for their members once more."""
    tars = [redacted_uri(entry.video.uri) for entry in found.listed if is_tar(entry.video.uri)]
    if tars:
        problem = f"{counted(len(tars), 'tar')} damaged, or not readable to the end: {examples(tars)}"
        raise ManifestError(options.input, [f"{problem}; provide them whole, or leave them out"])


def _by_sentence(options: ManifestOptions, listed: Sequence[GroupedVideo]) -> list[GroupedVideo]:
    """The videos in groups of one sentence, whoever says it."""
    without = [entry.video.id for entry in listed if not entry.video.text]
    if without:
        lack = f"--split-by {SENTENCE}: {counted(len(without), 'video')} without a sentence: {examples(without, str)}"
        raise ManifestError(options.input, [f"{lack}; --dataset grid, lrs, or a manifest with a column text"])
    return [GroupedVideo(entry.video, f"{entry.video.split}/{entry.video.text}") for entry in listed]


def _in_lower_case(video: Video) -> Video:
    words = tuple(replace(one, word=one.word.lower()) for one in video.words)
    return replace(video, text=video.text.lower(), words=words)


def _classes(options: ManifestOptions, found: ClipDataset) -> tuple[str, ...]:
    """The classes that are kept, in the order of their indices."""
    problems = []
    for name in options.classes:
        if name not in found.classes:
            near = get_close_matches(name, found.classes, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(found.classes[:20])})"
            problems.append(f"class {name!r} is unknown{hint}")
    if problems:
        raise ManifestError(options.input, problems)
    return tuple(name for name in found.classes if not options.classes or name in options.classes)


def _check(options: ManifestOptions, missing: Sequence[str], videos: list[Video], counts: Counter[str]) -> None:
    problems = repeated(videos)
    if missing and not options.skip_missing:
        problems.append(
            f"missing below {options.input}, of what the lists have: {examples(missing, str)} ({len(missing)} in all); "
            "--skip-missing leaves them out"
        )
    if not videos:
        problems.append("no video is left")
    speakers = {video.group for video in videos if video.text}
    if (
        len(speakers) == 1
        and "" not in speakers
        and options.split_by == GROUP
        and {v.split for v in videos} == {TRAINING}
    ):
        problems.append(
            f"all videos are of one speaker, {speakers.pop()!r}, so that none is left for a test: --split-by {SENTENCE}"
        )
    if all(len(video.labels) <= 1 for video in videos):
        problems += [
            f"class {name!r} has one video: what is learnt from it cannot be tested; bring more, or leave it out"
            for name, count in sorted(counts.items())
            if count == 1
        ]
    if problems:
        raise ManifestError(options.input, problems)
