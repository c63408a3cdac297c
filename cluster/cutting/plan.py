"""The plan of a cutting run: everything that is read and checked before any video is opened.

In: the options. Out: `CuttingPlan`, with a `CuttingUnit` for each video that has annotations. Splits are assigned here,
to all annotations, so that a clip is in the same one whatever becomes of the others.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from cluster.datasets.label_cells import MAX_CLASS_INDEX
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
    classes   names, in the order of their indices; none where labels are indices
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
    names = _classes(exported.classes, labels, stands_for)
    if are_indices(names):
        classes = ()
        stands_for = {**stands_for, **{name: str(int(name)) for name in names}}
    else:
        classes = names
        problems += unwritable_labels(names)
    pairing = pair(exported.videos, videos)
    if videos and not pairing.pairs and not problems:
        problems.append(_nothing_paired(options, exported, videos))
    units = [cutting_unit(video, entries, stands_for) for video, entries in pairing.pairs]
    units = _with_splits(units, options, problems)
    problems += vocabulary_problems(options, names if classes else (), options.annotations or "")
    if problems:
        raise InputError(*problems)
    settings = CuttingSettings(
        cut=options.cut,
        clips=options.clips or "",
        crf=options.crf,
        with_sound=not options.without_sound,
        tfrecords=options.tfrecords,
        record_size=options.record_size,
        classes=_indices(classes or names) if options.tfrecords is not None else {},
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
        findings=(*pairing.findings, *_spelling_findings(alike, merged=options.reading.merge_spellings)),
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


def vocabulary_folders(options: CuttingOptions) -> list[str]:
    """The folders whose `vocabulary.csv` names the classes of what a run writes there."""
    return [posixpath.dirname(options.output) or ".", *filter(None, (options.clips, options.tfrecords))]


def vocabulary_problems(options: CuttingOptions, classes: Sequence[str], source: str) -> list[str]:
    """Vocabularies of other data sets that would be replaced, or would name what is not theirs."""
    problems = []
    for folder in vocabulary_folders(options):
        try:
            check_vocabulary(files.join(folder, VOCABULARY_FILE), classes, source)
        except (InputError, OSError) as error:
            problems.append(str(error))
    return problems


def _read_videos(options: CuttingOptions, problems: list[str]) -> list[Video]:
    try:
        found = read_videos(options.videos or "", options.folders.exclude, options.policy)
    except ManifestError as error:
        problems.append(str(error))
        return []
    problems += _not_whole(options.videos or "", found)
    return with_versions(found, options.policy)


def _not_whole(source: str, videos: Sequence[Video]) -> Iterator[str]:
    """Annotations are of whole files, each of which is named once."""
    parts = [video.id for video in videos if video.start_seconds or video.end_seconds is not None]
    if parts:
        yield (
            f"{source}: start_seconds or end_seconds make parts of videos of the rows {examples(parts)}, but annotations "
            "count from the start of the file: leave these columns empty, or cut the parts into files first"
        )
    by_uri: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        by_uri[video.uri].append(video.id)
    shared = [ids for ids in by_uri.values() if len(ids) > 1]
    if shared:
        names = examples(shared, lambda ids: " and ".join(map(repr, ids)))
        yield f"{source}: several rows name the same file ({names}): leave one row for each file"


def _classes(ordered: Sequence[str], labels: Sequence[str], stands_for: Mapping[str, str]) -> tuple[str, ...]:
    """The names in the order of the export, then all others by their names."""
    names = [stands_for.get(name, name) for name in (*ordered, *sorted(set(labels)))]
    return tuple(dict.fromkeys(filter(None, names)))


def are_indices(names: Collection[str]) -> bool:
    """Whether classes are numbers, as in lists of data sets that name them elsewhere."""
    return bool(names) and all(map(_is_index, names))


def _is_index(name: str) -> bool:
    return name.isdecimal() and len(name) <= len(str(MAX_CLASS_INDEX)) and int(name) <= MAX_CLASS_INDEX


def _indices(classes: Sequence[str]) -> dict[str, int]:
    """The indices of classes: their places, or the numbers that they are."""
    if are_indices(classes):
        return {str(int(name)): int(name) for name in classes}
    return {name: index for index, name in enumerate(classes)}


def _nothing_paired(options: CuttingOptions, exported: AnnotationSet, videos: Sequence[Video]) -> str:
    names = examples([entry.name for entry in exported.videos]) or "none"
    return (
        f"none of the {len(exported.videos)} videos of {options.annotations} is among the {len(videos)} of "
        f"{options.videos}: the export names {names}, the videos are {examples([video.id for video in videos])}"
    )


def _with_splits(units: Sequence[CuttingUnit], options: CuttingOptions, problems: list[str]) -> list[CuttingUnit]:
    """The units, each of whose clips is in a split."""
    by_group = options.splits.split_by == GROUP
    own = {unit.video.id: _own_split(unit, problems) for unit in units}
    parts: dict[str, set[str]] = defaultdict(set)
    listed = []
    for unit in units:
        split = own[unit.video.id]
        for clip in unit.clips:
            parts[clip.group].add(split)
            listed.append(GroupedVideo(Video(clip.id, "", clip.labels, split), clip.group if by_group else clip.id))
    divided = sorted(group for group, splits in parts.items() if len(splits) > 1)
    if by_group and divided:
        problems.append(
            f"the splits that come with the data divide {len(divided)} groups: {examples(divided)}; give another "
            "--group-from, or keep these splits as they are with --split-by clip"
        )
    wanted = options.splits
    if problems or not (wanted.test or wanted.validation or any(own.values())):
        return list(units)
    found = with_splits(listed, validation=wanted.validation, test=wanted.test, seed=wanted.seed)
    split_of = {video.id: video.split for video in found}
    return [replace(unit, clips=tuple(replace(clip, split=split_of[clip.id]) for clip in unit.clips)) for unit in units]


def _own_split(unit: CuttingUnit, problems: list[str]) -> str:
    """The split of a video by the export, or else by the manifest; empty for none."""
    name = next((entry.split for entry in unit.entries if entry.split), unit.video.split)
    split = stored_split(name) if name else ""
    if split is None:
        problems.append(f"{unit.video.id!r} is in split {name!r}, which is none of train, validation and test")
    return split or ""


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
