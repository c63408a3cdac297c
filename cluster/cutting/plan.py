"""The plan of a cutting run: everything that is read and checked before any video is opened.

In: the options. Out: `CuttingPlan`, with a `CuttingUnit` for each video that has annotations. Splits are assigned here,
to all annotations, so that a clip is in the same one whatever becomes of the others.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cluster.cutting.config import GROUP, CuttingOptions
from cluster.cutting.cuts_folder import CutsFolder
from cluster.cutting.labelling import labelled
from cluster.cutting.pairing import pair
from cluster.cutting.stage import CuttingSettings, CuttingStage
from cluster.cutting.unit import CuttingUnit, cutting_unit
from cluster.cutting.validation import spellings
from cluster.datasets.grouped_splits import GroupedVideo, divided_groups, stored_split, with_splits
from cluster.datasets.label_cells import MAX_CLASS_INDEX
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_videos import ManifestError, with_versions
from cluster.datasets.manifest_writer import check_vocabulary, unwritable_labels
from cluster.datasets.vocabulary import VOCABULARY_FILE
from cluster.engines.video_worker import VideoWorker
from cluster.runs.lifecycle import new_run_id
from cluster.storage import files
from schemas.annotations import AnnotationSet
from schemas.cuttings import CutVideo, Finding, FindingCode
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
    label     what the stage has made of a video, by its id, with the labels of its clips
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
    label: Callable[[str, CutVideo], CutVideo]
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
    classes = () if are_indices(names) else names
    if not classes:
        stands_for = {**stands_for, **{name: str(int(name)) for name in names}}
    problems += unwritable_labels(classes)
    pairing = pair(exported.videos, videos)
    if videos and not pairing.pairs and not problems:
        problems.append(_nothing_paired(options, exported, videos))
    units = [cutting_unit(video, entries, stands_for) for video, entries in pairing.pairs]
    findings = [*pairing.findings, *_spelling_findings(alike, merged=options.reading.merge_spellings)]
    units = _with_splits(units, options, problems, findings)
    problems += vocabulary_problems(options, classes, options.annotations or "")
    if problems:
        raise InputError(*problems)
    settings = CuttingSettings(
        output=options.output,
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
    by_video = {unit.video.id: unit for unit in units}
    hashed = CuttingUnit.cut_hash if options.tfrecords is None else CuttingUnit.record_hash
    engine = options.engine
    return CuttingPlan(
        options=options,
        run_id=run_id,
        started=started,
        source=options.annotations or "",
        videos=tuple(unit.video for unit in units),
        fingerprints={name: hashed(unit, asdict(settings)) for name, unit in by_video.items()},
        findings=tuple(findings),
        notes=exported.notes,
        classes=classes,
        label=lambda name, cut: labelled(by_video[name], cut),
        worker=VideoWorker(
            CuttingStage(by_video, settings), engine.memory_limit_mib << 20, engine.time_limit, options.policy
        ),
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
            f"{source}: start_seconds or end_seconds make parts of videos of the rows {examples(parts)}, but "
            "annotations count from the start of the file: leave these columns empty, or cut the parts into files first"
        )
    by_uri: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        by_uri[video.uri].append(video.id)
    shared = [ids for ids in by_uri.values() if len(ids) > 1]
    if shared:
        names = examples([" and ".join(map(repr, ids)) for ids in shared], str)
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


def _with_splits(
    units: Sequence[CuttingUnit], options: CuttingOptions, problems: list[str], findings: list[Finding]
) -> list[CuttingUnit]:
    """The units, each of whose clips is in a split; what the data say of splits that is not so, or missing."""
    by_group = options.splits.split_by == GROUP
    units = [_with_stated_splits(unit, problems) for unit in units]
    listed = [
        GroupedVideo(Video(clip.id, "", clip.labels, clip.split), clip.group if by_group else clip.id)
        for unit in units
        for clip in unit.clips
    ]
    divided = divided_groups(listed)
    if divided:
        problems.append(
            f"the splits that come with the data divide {len(divided)} groups: {examples(divided)}; give another "
            "--group-from, or keep these splits as they are with --split-by clip"
        )
    wanted = options.splits
    has_split = any(clip.split for unit in units for clip in unit.clips)
    if problems or not (wanted.test or wanted.validation or has_split):
        return units
    found = with_splits(listed, validation=wanted.validation, test=wanted.test, seed=wanted.seed)
    split_of = {video.id: video.split for video in found}
    if has_split:
        findings += (finding for unit in units for finding in _split_findings(unit, split_of))
    return [replace(unit, clips=tuple(replace(clip, split=split_of[clip.id]) for clip in unit.clips)) for unit in units]


def _with_stated_splits(unit: CuttingUnit, problems: list[str]) -> CuttingUnit:
    """The unit with the splits that the export or else the manifest names, as manifests store them."""
    stored = {name: stored_split(name) if name else "" for name in dict.fromkeys(clip.split for clip in unit.clips)}
    problems += (
        f"{unit.video.id!r} is in split {name!r}, which is none of train, validation and test"
        for name, split in stored.items()
        if split is None
    )
    return replace(unit, clips=tuple(replace(clip, split=stored[clip.split] or "") for clip in unit.clips))


def _split_findings(unit: CuttingUnit, split_of: Mapping[str, str]) -> Iterator[Finding]:
    """Splits of a video that contradict one another, and clips for which none is named."""
    stated = sorted({split for entry in unit.entries if (split := stored_split(entry.split))})
    manifest = stored_split(unit.video.split)
    if len(stated) > 1:
        message = f"the export has it in {' and '.join(stated)}: each clip is in the split of its entry"
        yield Finding(code=FindingCode.OTHER_SPLIT, video=unit.video.id, message=message)
    if manifest and stated and stated != [manifest]:
        message = (
            f"the export has it in {' and '.join(stated)}, the manifest of videos in {manifest}: the export counts"
        )
        yield Finding(code=FindingCode.OTHER_SPLIT, video=unit.video.id, message=message)
    left = [split_of[clip.id] for clip in unit.clips if not clip.split]
    if left:
        names = " and ".join(sorted({f"in {split}, as their group" if split else "in no split" for split in left}))
        message = f"no split is named for {len(left)} of its {len(unit.clips)} clips, as for others: they are {names}"
        yield Finding(code=FindingCode.NO_SPLIT, video=unit.video.id, message=message)


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
