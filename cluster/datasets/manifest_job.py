"""A data set → a manifest of videos with labels and splits, and its classes' names in `vocabulary.csv` beside it."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from cluster.datasets.grouped_splits import Listed, with_splits
from cluster.datasets.manifest import ManifestError
from cluster.datasets.manifest_writer import WRITERS, write_manifest
from cluster.datasets.public_datasets import DATASETS, ClipDataset, Place
from cluster.datasets.vocabulary import VOCABULARY_FILE, Vocabulary, read_vocabulary, write_vocabulary
from cluster.runs.command_line import option
from cluster.storage import files
from schemas.errors import examples
from schemas.videos import Video

LISTED = ("ucf101", "hmdb51", "kinetics")  # data sets that come with lists


@dataclass(frozen=True)
class ManifestConfig:
    """One manifest, by its options."""

    dataset: str = option("how the videos are laid out", choices=tuple(DATASETS))
    input: str = option("folder or URI of the videos; for `manifest` a manifest file")
    output: str = option("manifest to write: .csv, .jsonl or .parquet; vocabulary.csv is written beside it")
    annotations: str | None = option("folder or URI of the lists that come with the data set", None)
    split_number: int = option("which of the set's lists of training and test", 1)
    classes: tuple[str, ...] = option("only these classes", ())
    test: float = option("fraction of each class for the test, where no list says it", 0.2)
    validation: float = option("fraction of what would be for training, where no list says it", 0.2)
    seed: int = option("of the choice of groups", 0)
    skip_missing: bool = option("leave out what a list has and the folder has not", False)

    def __post_init__(self) -> None:
        """Refuse what cannot be, all of it at once."""
        problems = []
        if self.dataset in LISTED and self.annotations is None:
            problems.append(f"--annotations is required with --dataset {self.dataset}: where its lists are")
        if self.dataset not in LISTED and self.annotations is not None:
            problems.append(f"--annotations belongs to --dataset {', '.join(LISTED)}, not to {self.dataset}")
        for name, fraction in (("test", self.test), ("validation", self.validation)):
            if not 0 <= fraction < 1:
                problems.append(f"--{name} must be at least 0 and below 1, not {fraction}")
        if posixpath.splitext(self.output)[1].lower() not in WRITERS:
            problems.append(f"--output ends in {', '.join(WRITERS)}, which says its format, not like {self.output!r}")
        if self.split_number < 1:
            problems.append(f"--split-number counts from 1, not {self.split_number}")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True)
class Made:
    """What was written: how many videos of each split and of each class, and how many were missing."""

    splits: dict[str, int]
    classes: dict[str, int]
    missing: int


def make_manifest(config: ManifestConfig) -> Made:
    """Write the manifest.

    Raises:
        ManifestError: for what is wrong with the videos or the lists, all at once.
        cluster.storage.files.StorageError, OSError: where nothing can be written.
    """
    files.check_writable(config.output)
    found = DATASETS[config.dataset](Place(config.input, config.annotations or "", config.split_number))
    classes = _classes(config, found)
    listed, missing = found.listed, tuple(found.missing)
    if config.classes:
        missing = tuple(name for name, label in found.missing.items() if label in classes)
        kept = [(entry, tuple(label for label in entry.video.labels if label in classes)) for entry in listed]
        listed = [Listed(replace(entry.video, labels=labels), entry.group) for entry, labels in kept if labels]
    videos = with_splits(listed, validation=config.validation, test=config.test, seed=config.seed)
    counts = Counter(str(label) for video in videos for label in video.labels)
    _check(config, missing, videos, counts)
    names = files.join(posixpath.dirname(config.output) or ".", VOCABULARY_FILE)
    _check_vocabulary(names, config, found)
    write_manifest(config.output, sorted(videos, key=lambda video: video.id))
    if classes:
        write_vocabulary(names, Vocabulary(classes))
    return Made(dict(Counter(video.split for video in videos)), dict(sorted(counts.items())), len(missing))


def _classes(config: ManifestConfig, found: ClipDataset) -> tuple[str, ...]:
    """The names that count, in their order."""
    problems = []
    for name in config.classes:
        if name not in found.classes:
            near = get_close_matches(name, found.classes, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(found.classes[:20])})"
            problems.append(f"class {name!r} is unknown{hint}")
    if problems:
        raise ManifestError(config.input, problems)
    return tuple(name for name in found.classes if not config.classes or name in config.classes)


def _check(config: ManifestConfig, missing: Sequence[str], videos: list[Video], counts: Counter[str]) -> None:
    problems = []
    if missing and not config.skip_missing:
        problems.append(
            f"missing below {config.input}, of what the lists have: {examples(missing, str)} ({len(missing)} in all); "
            "--skip-missing leaves them out"
        )
    if not videos:
        problems.append("no video is left")
    if all(len(video.labels) <= 1 for video in videos):
        problems += [
            f"class {name!r} has one video: what is learnt from it cannot be tested; bring more, or leave it out"
            for name, count in sorted(counts.items())
            if count == 1
        ]
    if problems:
        raise ManifestError(config.input, problems)


def _check_vocabulary(uri: str, config: ManifestConfig, found: ClipDataset) -> None:
    """Refuse to replace that of something else."""
    others = [name for name in read_vocabulary(uri).names if name not in found.classes]
    if others:
        unknown = f"names classes that are not in {config.input}: {examples(others)}"
        raise ManifestError(uri, [f"{unknown}; remove it, or write the manifest elsewhere"])
