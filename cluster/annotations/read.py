"""The one way to annotations: `read_annotations` finds the format of an export, or takes the one named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cluster.annotations.base import AnnotationError, Format, ReadOptions
from cluster.annotations.detect import detect, files_of
from cluster.annotations.export import Export
from cluster.annotations.fields import unknown
from cluster.annotations.formats import READERS
from cluster.storage import files
from cluster.storage.read_policy import STRICT, ReadPolicy
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet
from schemas.errors import examples

AUTO = "auto"
DEFAULTS = ReadOptions()


def read_annotations(
    uri: str, format_name: str = AUTO, options: ReadOptions = DEFAULTS, policy: ReadPolicy = STRICT
) -> AnnotationSet:
    """The annotations of an export: a file, or a folder or bucket prefix with all its files.

    Raises:
        AnnotationError: with all that is wrong at once, or where the format is not recognised.
    """
    try:
        export = Export(uri, policy)
        one = detect(export, READERS.values()) if format_name == AUTO else format_named(format_name, uri)
        _check(one, options, uri)
        chosen = files_of(export, one)
        if not chosen:
            expected = f"{one.summary} ({', '.join(one.suffixes)})"
            raise AnnotationError(uri, [f"no file there is of the format {one.name}: {expected}"])
        read = one.read(export, chosen, options)
    except (OSError, files.StorageError) as error:
        raise AnnotationError(uri, [f"it cannot be read: {error}"]) from error
    left = [file.name for file in export.with_suffix(one.suffixes) if file not in chosen]
    notes = [f"files without annotations of this format: {examples(left)}"] if left else []
    if export.outside:
        notes.append(f"links that lead out of the folder are not followed: {examples(export.outside)}")
    return replace(_grouped(read, options.group_from, uri), notes=(*read.notes, *notes))


def format_named(name: str, uri: str) -> Format:
    """The format of that name."""
    if name not in READERS:
        raise AnnotationError(uri, [unknown("reader for the format", name, [*READERS])])
    return READERS[name]


def _check(one: Format, options: ReadOptions, uri: str) -> None:
    problems = []
    if options.frame_rate is not None and not one.takes_frame_rate:
        problems.append(f"--frame-rate means nothing to {one.name}, whose times are seconds or the video's own frames")
    if options.frame_rate is not None and options.frame_rate <= 0:
        problems.append(f"--frame-rate {options.frame_rate} is not above 0")
    if options.label_from and not one.takes_label_from:
        problems.append(f"--label-from means nothing to {one.name}, where classes stand in one place")
    if problems:
        raise AnnotationError(uri, problems)


def _grouped(read: AnnotationSet, group_from: str, uri: str) -> AnnotationSet:
    """The annotations grouped by the values of an attribute."""
    if not group_from:
        return read
    known = dict.fromkeys(name for video in read.videos for one in video.annotations for name, _ in one.attributes)
    if group_from not in known and any(video.annotations for video in read.videos):
        raise AnnotationError(uri, [unknown("attribute", group_from, [*known])])
    return replace(
        read,
        videos=tuple(replace(video, annotations=tuple(_with_groups(video, group_from))) for video in read.videos),
    )


def _with_groups(video: AnnotatedVideo, group_from: str) -> Iterator[Annotation]:
    for one in video.annotations:
        yield replace(one, group=dict(one.attributes).get(group_from, one.group))
