"""What is done with one video: its frames are listed, its clips timed and checked, cut, and written as records.

In: a video. Out: `CutVideo`. Files of clips and records have a hash and a number as their names, and nothing of an
id. A clip that cannot be cut is a finding; a video that cannot be read fails as a whole.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cluster.cutting.sequence_example import ClipRecord, encoded
from cluster.cutting.timing import RefusedError, frame_span
from cluster.cutting.unit import CuttingUnit, WantedClip
from cluster.cutting.validation import Extended, claims, is_variable, meetings
from cluster.engines.stage import NetworklessStage
from cluster.storage import files
from cluster.storage.output_file import output_file
from cluster.storage.redaction import redacted_uri
from cluster.storage.tfrecords import TFRECORD, framed
from extractors.cutting.exact import cut_exact
from extractors.cutting.frame_list import FrameList, list_frames
from extractors.cutting.jpegs import jpeg_clips
from extractors.cutting.keyframes import cut_at_keyframes
from extractors.cutting.span import CutError, CutFile, Span
from extractors.segments import Segment
from extractors.video.media import MAX_PIXELS, Source
from schemas.cuttings import CutClip, CutVideo, Finding, FindingCode
from schemas.videos import MICROSECONDS, Video, whole_microseconds

NAME_DIGITS = 20  # of a fingerprint, which make names unique


@dataclass(frozen=True, kw_only=True)
class CuttingSettings:
    """What is made of clips, besides rows.

    cut           `exact`, `keyframes` or none
    clips         folder of the cut files
    tfrecords     folder of records, or none
    record_size   pixels of the shorter side of their frames
    classes       indices of the classes, in records
    """

    cut: str | None = None
    clips: str = ""
    crf: int = 0
    with_sound: bool = True
    tfrecords: str | None = None
    record_size: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS

    def without_places(self) -> dict[str, Any]:
        """What decides about the content of files, and so about their names, wherever they go."""
        return {name: value for name, value in asdict(self).items() if name not in ("clips", "tfrecords", "classes")}

    @property
    def writes(self) -> bool:
        """Whether pictures are decoded or copied, and not only listed."""
        return self.cut is not None or self.tfrecords is not None


@dataclass(frozen=True)
class _Timed:
    """A clip with its frames."""

    wanted: WantedClip
    span: Span

    @property
    def label(self) -> str:
        return "; ".join(self.wanted.labels)


@dataclass(frozen=True)
class CuttingStage(NetworklessStage):
    """Cuts one video after another. Cheap to pickle but for its units, by the ids of their videos.

    names  hashes by the same ids, which files are named by
    """

    units: Mapping[str, CuttingUnit]
    names: Mapping[str, str]
    settings: CuttingSettings

    @property
    def result_type(self) -> type[CutVideo]:
        """Of what it makes of a video."""
        return CutVideo

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[CutVideo, list[Segment]]:
        """The clips of a video, which has no segments."""
        started = time.thread_time()
        unit, name = self.units[video.id], self.names[video.id][:NAME_DIGITS]
        settings = self.settings
        with TemporaryDirectory(prefix="framemill-") as folder, _on_disk(source, folder, settings.writes) as path:
            frames = list_frames(path, max_pixels=settings.max_pixels)
            findings = list(claims(video.id, unit.entries, frames))
            timed = list(_timed(unit, frames, Path(folder), findings))
            findings += meetings(video.id, _extended(timed, frames))
            listed = time.thread_time()
            made: Sequence[CutFile | None] = [None] * len(timed)
            clip_files: dict[str, str] = {}
            size = 0
            if settings.cut is not None:
                made = [
                    _noted(outcome, one, FindingCode.NOT_CUT, video, findings)
                    for one, outcome in zip(timed, self._cut(Path(str(path)), frames, timed), strict=True)
                ]
                clip_files, size = self._store_clips(name, timed, made)
            cut = time.thread_time()
            records, record_bytes = self._write_records(name, Path(str(path)), unit, frames, timed, findings)
            seconds = {"list_frames": listed - started}
            if settings.cut is not None:
                seconds["cut"] = cut - listed
            if settings.tfrecords is not None:
                seconds["records"] = time.thread_time() - cut
        clips = [
            _cut_clip(one, frames, clip_files.get(one.wanted.id, ""), file)
            for one, file in zip(timed, made, strict=True)
        ]
        result = CutVideo(
            frames=len(frames),
            duration_seconds=float(frames.duration_seconds),
            rate=float(frames.rate),
            is_variable=is_variable(frames),
            clips=tuple(clips),
            findings=tuple(findings),
            records=tuple(records),
            bytes_written=size + record_bytes,
            seconds_by_stage=seconds,
        )
        return result, []

    def _cut(self, path: Path, frames: FrameList, timed: Sequence[_Timed]) -> list[CutFile | CutError]:
        spans, settings = [one.span for one in timed], self.settings
        if settings.cut == "exact":
            return cut_exact(
                path, frames, spans, crf=settings.crf, with_sound=settings.with_sound, max_pixels=settings.max_pixels
            )
        return cut_at_keyframes(path, frames, spans, with_sound=settings.with_sound, max_pixels=settings.max_pixels)

    def _store_clips(
        self, name: str, timed: Sequence[_Timed], made: Sequence[CutFile | None]
    ) -> tuple[dict[str, str], int]:
        """Move the files to the folder of clips: their names there, by clip, and their bytes."""
        stored, size = {}, 0
        for one, file in zip(timed, made, strict=True):
            if file is not None:
                target = f"{name}-{one.span.path.name}{file.path.suffix}"
                size += file.path.stat().st_size
                with file.path.open("rb") as content, output_file(files.join(self.settings.clips, target)) as output:
                    shutil.copyfileobj(content, output)
                file.path.unlink()
                stored[one.wanted.id] = target
        return stored, size

    def _write_records(
        self,
        name: str,
        path: Path,
        unit: CuttingUnit,
        frames: FrameList,
        timed: Sequence[_Timed],
        findings: list[Finding],
    ) -> tuple[list[str], int]:
        """Write a file of records for each split: their names in the folder of records, and their bytes."""
        if self.settings.tfrecords is None or not timed:
            return [], 0
        by_span = {one.span.path: one for one in timed}
        size = 0
        with ExitStack() as stack:
            outputs: dict[str, Any] = {}
            spans = [one.span for one in timed]
            limits = self.settings.record_size
            for span, clip in jpeg_clips(path, frames, spans, limits, max_pixels=self.settings.max_pixels):
                one = by_span[span.path]
                found = _noted(clip, one, FindingCode.NO_RECORD, unit.video, findings)
                if found is None:
                    continue
                target = f"{one.wanted.split or 'all'}/{name}{TFRECORD}"
                if target not in outputs:
                    outputs[target] = stack.enter_context(output_file(files.join(self.settings.tfrecords, target)))
                record = self._record(one, found.jpegs, found.height, found.width, unit.video, frames)
                for part in framed(encoded(record)):
                    size += outputs[target].write(part)
            return sorted(outputs), size

    def _record(
        self, one: _Timed, jpegs: Sequence[bytes], height: int, width: int, video: Video, frames: FrameList
    ) -> ClipRecord:
        span = one.span
        return ClipRecord(
            id=one.wanted.id,
            jpegs=jpegs,
            timestamps=[int((pts - span.start_pts) * frames.tick * MICROSECONDS) for pts in span.timestamps],
            label_indices=tuple(self.settings.classes[label] for label in one.wanted.labels),
            label_names=one.wanted.labels,
            media_id=video.id,
            data_path=redacted_uri(video.uri),
            start_microseconds=_microseconds(span.start_pts, frames),
            end_microseconds=_microseconds(span.end_pts, frames),
            height=height,
            width=width,
            frame_rate=float(len(jpegs) / ((span.end_pts - span.start_pts) * frames.tick)),
        )


@contextmanager
def _on_disk(source: Source, folder: str, needed: bool) -> Iterator[Source]:
    """`source`, or where a path is `needed` a copy of it in `folder`."""
    if not needed or isinstance(source, str | os.PathLike):
        yield source
        return
    copy = Path(folder, "video")
    with copy.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    yield str(copy)


def _timed(unit: CuttingUnit, frames: FrameList, folder: Path, findings: list[Finding]) -> Iterator[_Timed]:
    """The clips with their frames; what has none becomes a finding."""
    known: set[tuple[int, int, tuple[str, ...], str]] = set()
    for number, wanted in enumerate(unit.clips):
        try:
            if not wanted.labels:
                raise RefusedError(FindingCode.NO_LABEL, "it names no class")
            found = frame_span(wanted.extent, frames)
            key = (found.first, found.stop, wanted.labels, wanted.group)
            if key in known:
                raise RefusedError(FindingCode.DUPLICATE, "another clip has the same frames and labels")
        except RefusedError as error:
            findings.append(_finding(error.code, unit.video, wanted, error.message))
            continue
        known.add(key)
        if found.shortened:
            findings.append(_finding(FindingCode.SHORTENED, unit.video, wanted, f"{found.shortened}; it ends there"))
        start_pts, end_pts = frames.pts_of(found.first), frames.pts_of(found.stop)
        timestamps = tuple(frames.timestamps[found.first : found.stop])
        yield _Timed(wanted, Span(start_pts, end_pts, timestamps, folder / f"{number:04}"))


def _extended(timed: Sequence[_Timed], frames: FrameList) -> Iterator[Extended]:
    for one in timed:
        start, end = (float(frames.seconds_of(pts)) for pts in (one.span.start_pts, one.span.end_pts))
        yield Extended(one.span.start_pts, one.span.end_pts, f"{one.label} ({start:.2f} to {end:.2f} s)")


def _noted(outcome: Any, one: _Timed, code: FindingCode, video: Video, findings: list[Finding]) -> Any:
    """The outcome; None, and a finding, for an error."""
    if isinstance(outcome, CutError):
        findings.append(_finding(code, video, one.wanted, str(outcome)))
        return None
    return outcome


def _finding(code: FindingCode, video: Video, wanted: WantedClip, message: str) -> Finding:
    return Finding(
        code=code, video=video.id, label="; ".join(wanted.labels), source="; ".join(wanted.sources), message=message
    )


def _cut_clip(one: _Timed, frames: FrameList, name: str, file: CutFile | None) -> CutClip:
    around = (0, 0) if file is None else (file.before_seconds, file.after_seconds)
    before, after = (int(seconds * MICROSECONDS) for seconds in around)
    return CutClip(
        id=one.wanted.id,
        labels=one.wanted.labels,
        start_microseconds=_microseconds(one.span.start_pts, frames),
        end_microseconds=_microseconds(one.span.end_pts, frames),
        frames=len(one.span.timestamps),
        split=one.wanted.split,
        group=one.wanted.group,
        file=name,
        before_microseconds=before,
        after_microseconds=after,
        notes=file.notes if file else (),
    )


def _microseconds(pts: int, frames: FrameList) -> int:
    return int(whole_microseconds(frames.seconds_of(pts)) * MICROSECONDS)
