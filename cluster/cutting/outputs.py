"""What all videos together come to: the manifest of clips, its vocabulary, and the manifest of the cut files.

In: `VideoCuts` of the videos, in the order of the plan. The manifest of clips names the source videos, with start and
end. That of cut files, `CLIPS/clips.csv`, names the files: those of `--cut exact` as a whole, those of
`--cut keyframes` with the part that is the clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from cluster.datasets.manifest_writer import write_manifest
from cluster.storage import files
from schemas.cuttings import CutClip, VideoCuts
from schemas.videos import MICROSECONDS, Seconds, Video, whole_microseconds

CLIPS_MANIFEST = "clips.csv"


def write_source_manifest(uri: str, cuts: Iterable[VideoCuts], sources: Mapping[str, str]) -> None:
    """Write the clips as parts of the source videos, whose URIs are `sources` by id, with what secrets they hold.

    Raises `ManifestError` for labels that cannot be written.
    """
    write_manifest(uri, [_of_source(sources[one.id], clip) for one in cuts if one.cut for clip in one.cut.clips])


def write_files_manifest(uri: str, cuts: Iterable[VideoCuts], folder: str | None = None) -> None:
    """Write a manifest of the cut files, which lie beside it, or in `folder`. Raises `ManifestError` likewise."""
    clips = [clip for one in cuts if one.cut for clip in one.cut.clips if clip.file]
    write_manifest(uri, [_of_file(clip, folder) for clip in clips])


def _of_source(uri: str, clip: CutClip) -> Video:
    start, end = _seconds(clip.start_microseconds), _seconds(clip.end_microseconds)
    return Video(clip.id, uri, _labels(clip), clip.split, start, end, group=clip.group)


def _of_file(clip: CutClip, folder: str | None) -> Video:
    start, end = clip.before_microseconds, None
    if clip.before_microseconds or clip.after_microseconds:
        end = _seconds(start + clip.end_microseconds - clip.start_microseconds)
    uri = clip.file if folder is None else files.join(_absolute(folder), clip.file)
    return Video(clip.id, uri, _labels(clip), clip.split, _seconds(start), end, group=clip.group)


def _absolute(folder: str) -> str:
    return files.local_path(folder) if files.is_local(folder) else folder


def _labels(clip: CutClip) -> tuple[int | str, ...]:
    """Digits alone are the index of a class, which records may have without its name."""
    return tuple(int(label) if label.isdecimal() else label for label in clip.labels)


def _seconds(microseconds: int) -> Seconds:
    return whole_microseconds(Fraction(microseconds, MICROSECONDS))
