"""What all videos together come to: the manifest of clips, its vocabulary, and the manifest of the cut files.

In: `VideoCuts` of the videos, in the order of the plan. The manifest of clips names the source videos, with start and
end. That of cut files, `CLIPS/clips.csv`, names the files: those of `--cut exact` as a whole, those of `--cut keyframes`
with the part that is the clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from cluster.datasets.manifest_writer import write_manifest
from cluster.datasets.vocabulary import VOCABULARY_FILE, Vocabulary, write_vocabulary
from cluster.storage import files
from schemas.cuttings import CutClip, VideoCuts
from schemas.videos import MICROSECONDS, Seconds, Video, whole_microseconds

CLIPS_MANIFEST = "clips.csv"


def write_source_manifest(uri: str, cuts: Iterable[VideoCuts]) -> None:
    """Write the clips as parts of the source videos. Raises `ManifestError` for labels that cannot be written."""
    write_manifest(uri, [_of_source(one.uri, clip) for one in cuts if one.cut for clip in one.cut.clips])


def write_files_manifest(folder: str, cuts: Iterable[VideoCuts], classes: Iterable[str]) -> None:
    """Write the manifest of the cut files into their folder, with the vocabulary."""
    clips = [clip for one in cuts if one.cut for clip in one.cut.clips]
    write_manifest(files.join(folder, CLIPS_MANIFEST), list(_of_files(clips)))
    write_vocabulary(files.join(folder, VOCABULARY_FILE), Vocabulary(classes))


def _of_source(uri: str, clip: CutClip) -> Video:
    start, end = _seconds(clip.start_microseconds), _seconds(clip.end_microseconds)
    return Video(clip.id, uri, clip.labels, clip.split, start, end, group=clip.group)


def _of_files(clips: Iterable[CutClip]) -> Iterator[Video]:
    for clip in clips:
        if not clip.file:
            continue
        start, end = clip.before_microseconds, None
        if clip.before_microseconds or clip.after_microseconds:
            end = start + clip.end_microseconds - clip.start_microseconds
        yield Video(
            clip.id,
            clip.file,
            clip.labels,
            clip.split,
            _seconds(start),
            None if end is None else _seconds(end),
            group=clip.group,
        )


def _seconds(microseconds: int) -> Seconds:
    return whole_microseconds(Fraction(microseconds, MICROSECONDS))
