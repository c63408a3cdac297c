"""The plan of a cutting run: everything that is read and checked before any video is opened.

In: the options. Out: `CuttingPlan`, with a `CuttingUnit` for each video that has annotations. Splits are assigned here,
to all annotations, so that a clip is in the same one whatever becomes of the others.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cluster.cutting.config import GROUP, CuttingOptions
from cluster.cutting.cuts_folder import CutsFolder
from cluster.cutting.pairing import pair
from cluster.cutting.stage import CuttingSettings, CuttingStage
from cluster.cutting.unit import CuttingUnit, cutting_unit
from cluster.cutting.validation import spellings
from cluster.datasets.grouped_splits import GroupedVideo, stored_split, with_splits
from cluster.datasets.manifest import ManifestError, read_videos, with_versions
from cluster.datasets.manifest_writer import check_vocabulary, unwritable_labels
from cluster.datasets.vocabulary import VOCABULARY_FILE
from cluster.engines.video_worker import VideoWorker
from cluster.runs.lifecycle import new_run_id
from cluster.storage import files
from schemas.annotations import AnnotationSet
from schemas.cuttings import Finding, FindingCode
from schemas.errors import InputError, examples
from schemas.videos import Video

PAGE = "annotations.html"


@dataclass(frozen=True, kw_only=True)
class CuttingPlan:
    """A run that can start.

    source    what clips are made from, for messages
    videos    those with annotations, or files of records
    findings  what concerns the export as a whole
    notes     what the reader of the export left out, for a person
    classes   names, in the order of their indices
    """

    options: CuttingOptions
    run_id: str
    started: datetime
    source: str
    videos: tuple[Video, ...]
    fingerprints: Mapping[str, str]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    worker: VideoWorker[Any]
    folder: CutsFolder

    def beside_output(self, name: str) -> str:
        """The URI of a file beside the manifest."""
        return files.join(posixpath.dirname(self.options.output) or ".", name)


def make_plan(options: CuttingOptions, exported: AnnotationSet) -> CuttingPlan:
    """Pair the export with the videos, and check both.

    Raises:
        InputError: with everything that is wrong.
    """
    started = datetime.now(UTC)
    problems = unwritable(options)
    videos = _read_videos(options, problems)
    labels = [annotation.label for entry in exported.videos for annotation in entry.annotations if annotation.label]
    alike = spellings(labels)
    stands_for = alike if options.reading.merge_spellings else {}
    classes = _classes(exported.classes, labels, stands_for)
    problems += unwritable_labels(classes)
    pairing = pair(exported.videos, videos)
    if videos and not pairing.pairs and not problems:
        problems.append(_nothing_paired(options, exported, videos))
    units = [cutting_unit(video, entries, stands_for) for video, entries in pairing.pairs]
    units = _with_splits(units, options, problems)
    if not problems:
        check_vocabulary(
            files.join(posixpath.dirname(options.output) or ".", VOCABULARY_FILE), classes, options.annotations or ""
        )
    if problems:
        raise InputError(*problems)
    settings = CuttingSettings(
        cut=options.cut,
        clips=options.clips or "",
        crf=options.crf,
        with_sound=not options.without_sound,
        tfrecords=options.tfrecords,
        record_size=options.record_size,
        classes={name: index for index, name in enumerate(classes)} if options.tfrecords is not None else {},
        max_pixels=options.max_pixels,
    )
    run_id = new_run_id(started)
    fingerprints = {unit.video.id: unit.fingerprint(asdict(settings)) for unit in units}
    names = {unit.video.id: unit.fingerprint(settings.without_places()) for unit in units}
    stage = CuttingStage({unit.video.id: unit for unit in units}, names, settings)
    engine = options.engine
    return CuttingPlan(
        options=options,
        run_id=run_id,
        started=started,
        source=options.annotations or "",
        videos=tuple(unit.video for unit in units),
        fingerprints=fingerprints,
        findings=(*pairing.findings, *_spelling_findings(alike, merged=bool(stands_for))),
        notes=exported.notes,
        classes=classes,
        worker=VideoWorker(stage, engine.memory_limit_mib << 20, engine.time_limit, options.policy),
        folder=CutsFolder(options.output, run_id=run_id),
    )


def unwritable(options: CuttingOptions) -> list[str]:
    """Problems with outputs that cannot be written to."""
    problems = []
    for uri in filter(None, (options.output, options.clips, options.tfrecords)):
        try:
            files.check_writable(uri)
        except files.StorageError as error:
            problems.append(str(error))
    return problems


def _read_videos(options: CuttingOptions, problems: list[str]) -> list[Video]:
    try:
        return with_versions(read_videos(options.videos or "", options.folders.exclude, options.policy), options.policy)
    except ManifestError as error:
        problems.append(str(error))
        return []


def _classes(ordered: Sequence[str], labels: Sequence[str], stands_for: Mapping[str, str]) -> tuple[str, ...]:
    """The names in the order of the export, then all others by their names."""
    names = [stands_for.get(name, name) for name in (*ordered, *sorted(set(labels)))]
    return tuple(dict.fromkeys(filter(None, names)))


def _nothing_paired(options: CuttingOptions, exported: AnnotationSet, videos: Sequence[Video]) -> str:
    names = examples([entry.name for entry in exported.videos]) or "none"
    return (
        f"none of the {len(exported.videos)} videos of {options.annotations} is among the {len(videos)} of "
        f"{options.videos}: the export names {names}, the videos are {examples([video.id for video in videos])}"
    )


def _with_splits(units: Sequence[CuttingUnit], options: CuttingOptions, problems: list[str]) -> list[CuttingUnit]:
    """The units, each of whose clips is in a split."""
    by_group = options.splits.split_by == GROUP
    parts: dict[str, set[str]] = defaultdict(set)
    listed = []
    for unit in units:
        own = _own_splits(unit, problems)
        for clip in unit.clips:
            split = own[clip.split]
            parts[clip.group].add(split)
            listed.append(GroupedVideo(Video(clip.id, "", clip.labels, split), clip.group if by_group else clip.id))
    divided = sorted(group for group, splits in parts.items() if len(splits) > 1)
    if by_group and divided:
        problems.append(
            f"the splits that come with the data divide {len(divided)} groups: {examples(divided)}; give another "
            "--group-from, or keep these splits as they are with --split-by clip"
        )
    wanted = options.splits
    if problems or not (wanted.test or wanted.validation or any(entry.video.split for entry in listed)):
        return list(units)
    found = with_splits(listed, validation=wanted.validation, test=wanted.test, seed=wanted.seed)
    split_of = {video.id: video.split for video in found}
    return [replace(unit, clips=tuple(replace(clip, split=split_of[clip.id]) for clip in unit.clips)) for unit in units]


def _own_splits(unit: CuttingUnit, problems: list[str]) -> dict[str, str]:
    """The splits of a video's clips, by what its entries in the export call them; empty for none.

    An entry without one is in that of the first entry that has one, or else in that of the manifest.
    """
    default = next((entry.split for entry in unit.entries if entry.split), unit.video.split)
    splits = {}
    for own in dict.fromkeys(entry.split for entry in unit.entries):
        name = own or default
        split = stored_split(name) if name else ""
        if split is None:
            problems.append(f"{unit.video.id!r} is in split {name!r}, which is none of train, validation and test")
        splits[own] = split or ""
    return splits


def _spelling_findings(alike: Mapping[str, str], *, merged: bool) -> list[Finding]:
    outcome = "counts as it" if merged else "is a class of its own; --merge-spellings makes them one"
    return [
        Finding(
            code=FindingCode.SPELLINGS,
            video="",
            label=label,
            message=f"{label!r} differs from {other!r} by case or blanks alone, and {outcome}",
        )
        for label, other in sorted(alike.items())
    ]
