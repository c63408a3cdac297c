"""What is done with one video: its frames are listed, its clips timed and checked, cut, and written as records.

In: a video. Out: `CutVideo`, whose clips have no labels yet. Files of clips and records have a hash and a number as
their names, and nothing of an id; clips of the same frames have the same file. A clip that cannot be cut is a finding;
a video that cannot be read fails as a whole, and leaves no file.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from cluster.cutting.cuts_folder import all_or_none, stored_cuts
from cluster.cutting.labelling import labelled
from cluster.cutting.sequence_example import ClipRecord, encoded
from cluster.cutting.timing import RefusedError, frame_span
from cluster.cutting.unit import CuttingUnit, WantedClip
from cluster.cutting.validation import claims, is_variable
from cluster.engines.stage import NetworklessStage
from cluster.storage import files
from cluster.storage.output_file import output_file
from cluster.storage.redaction import redacted_uri
from cluster.storage.tfrecords import TFRECORD, framed
from extractors.cutting.exact import cut_exact
from extractors.cutting.frame_list import FrameList, list_frames
from extractors.cutting.jpegs import JpegClip, jpeg_clips
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

    output        manifest of the run, beside which lies what earlier runs have made
    cut           `exact`, `keyframes` or none
    clips         folder of the cut files
    tfrecords     folder of records, or none
    record_size   pixels of the shorter side of their frames
    classes       indices of the classes, in records
    """

    output: str = ""
    cut: str | None = None
    clips: str = ""
    crf: int = 0
    with_sound: bool = True
    tfrecords: str | None = None
    record_size: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS

    @property
    def of_clips(self) -> dict[str, Any]:
        """What decides about the content of cut files, and so about their names, wherever they go."""
        return {name: getattr(self, name) for name in ("cut", "crf", "with_sound", "max_pixels")}

    @property
    def of_records(self) -> dict[str, Any]:
        """Likewise of records."""
        return {name: getattr(self, name) for name in ("record_size", "classes", "max_pixels")}

    @property
    def writes(self) -> bool:
        """Whether pictures are decoded or copied, and not only listed."""
        return self.cut is not None or self.tfrecords is not None


@dataclass(frozen=True)
class _Timed:
    """A clip with its frames; clips of the same frames have the same span."""

    wanted: WantedClip
    span: Span


@dataclass(frozen=True)
class CuttingStage(NetworklessStage):
    """Cuts one video after another. Cheap to pickle but for its units, by the ids of their videos."""

    units: Mapping[str, CuttingUnit]
    settings: CuttingSettings

    @property
    def result_type(self) -> type[CutVideo]:
        """Of what it makes of a video."""
        return CutVideo

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[CutVideo, list[Segment]]:
        """The clips of a video, which has no segments; without labels (`cluster.cutting.labelling`)."""
        started = time.thread_time()
        unit, settings = self.units[video.id], self.settings
        with ExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="framemill-"))
            path = stack.enter_context(_on_disk(source, folder, settings.writes))
            frames = list_frames(path, max_pixels=settings.max_pixels)
            findings = list(claims(video.id, unit.entries, frames))
            timed = list(_timed(unit, frames, Path(folder), findings))
            seconds = {"list_frames": time.thread_time() - started}
            stored: dict[Path, tuple[str, CutFile]] = {}
            size = 0
            kept = self._kept(unit, timed) if settings.cut is not None else ()
            if settings.cut is not None and not kept:
                started = time.thread_time()
                names = stack.enter_context(all_or_none(settings.clips))
                made = self._cut(Path(str(path)), frames, _spans(timed))
                findings += _refused(video, timed, made, FindingCode.NOT_CUT)
                stored, size = self._store_clips(unit, made, names)
                seconds["cut"] = time.thread_time() - started
            result = CutVideo(
                frames=len(frames),
                duration_seconds=float(frames.duration_seconds),
                rate=float(frames.rate),
                is_variable=is_variable(frames),
                clips=kept or tuple(_cut_clip(one, frames, *stored.get(one.span.path, ("", None))) for one in timed),
                findings=tuple(findings),
                records=(),
                bytes_written=size,
                seconds_by_stage=seconds,
            )
            if settings.tfrecords is None or not timed:
                return result, []
            started = time.thread_time()
            names = stack.enter_context(all_or_none(settings.tfrecords))
            found, size = self._write_records(unit, Path(str(path)), frames, timed, result, names)
            seconds = {**seconds, "records": time.thread_time() - started}
        size += result.bytes_written
        findings += found
        return replace(
            result,
            records=tuple(sorted(names)),
            findings=tuple(findings),
            bytes_written=size,
            seconds_by_stage=seconds,
        ), []

    def _kept(self, unit: CuttingUnit, timed: Sequence[_Timed]) -> tuple[CutClip, ...]:
        """The clips that an earlier run has cut alike, if all of their files are there."""
        former = stored_cuts(self.settings.output, unit.video.id)
        clips = former.cut.clips if former is not None and former.cut is not None else ()
        before = self._prefix(unit)
        is_same = [clip.id for clip in clips] == [one.wanted.id for one in timed]
        names = {clip.file for clip in clips}
        is_there = all(
            name.startswith(before) and files.exists(files.join(self.settings.clips, name)) for name in names
        )
        return clips if is_same and is_there else ()

    def _prefix(self, unit: CuttingUnit) -> str:
        """What the names of its cut files begin with."""
        return f"{unit.cut_hash(self.settings.of_clips)[:NAME_DIGITS]}-"

    def _cut(self, path: Path, frames: FrameList, spans: Sequence[Span]) -> dict[Path, CutFile | CutError]:
        """The outcomes by the paths of the spans."""
        settings = self.settings
        sound, most = settings.with_sound, settings.max_pixels
        if settings.cut == "exact":
            made = cut_exact(path, frames, spans, crf=settings.crf, with_sound=sound, max_pixels=most)
        else:
            made = cut_at_keyframes(path, frames, spans, with_sound=sound, max_pixels=most)
        return {span.path: outcome for span, outcome in zip(spans, made, strict=True)}

    def _store_clips(
        self, unit: CuttingUnit, made: Mapping[Path, CutFile | CutError], names: list[str]
    ) -> tuple[dict[Path, tuple[str, CutFile]], int]:
        """Move the files to the folder of clips: their names there, by the paths of their spans, and their bytes."""
        stored, size = {}, 0
        before = self._prefix(unit)
        for path, file in made.items():
            if isinstance(file, CutFile):
                names.append(f"{before}{path.name}{file.path.suffix}")
                size += file.path.stat().st_size
                with file.path.open("rb") as content, output_file(files.join(self.settings.clips, names[-1])) as output:
                    shutil.copyfileobj(content, output)
                file.path.unlink()
                stored[path] = names[-1], file
        return stored, size

    def _write_records(
        self,
        unit: CuttingUnit,
        path: Path,
        frames: FrameList,
        timed: Sequence[_Timed],
        result: CutVideo,
        names: list[str],
    ) -> tuple[list[Finding], int]:
        """Write a file of records for each split, with `names` in the folder of records: what failed, and bytes."""
        settings = self.settings
        rows: dict[Path, list[CutClip]] = defaultdict(list)
        paths = {one.wanted.id: one.span.path for one in timed}
        for row in labelled(unit, result).clips:
            rows[paths[row.id]].append(row)
        hashed = unit.record_hash(settings.of_records)[:NAME_DIGITS]
        size = 0
        findings: list[Finding] = []
        with ExitStack() as stack:
            outputs: dict[str, BinaryIO] = {}
            for span, made in jpeg_clips(
                path, frames, _spans(timed), settings.record_size, max_pixels=settings.max_pixels
            ):
                findings += _refused(unit.video, timed, {span.path: made}, FindingCode.NO_RECORD)
                if not isinstance(made, JpegClip):
                    continue
                for row in rows[span.path]:
                    target = f"{row.split or 'all'}/{hashed}{TFRECORD}"
                    if target not in outputs:
                        names.append(target)
                        outputs[target] = stack.enter_context(output_file(files.join(settings.tfrecords or "", target)))
                    for part in framed(encoded(self._record(row, made, unit.video, frames))):
                        size += outputs[target].write(part)
        return findings, size

    def _record(self, row: CutClip, made: JpegClip, video: Video, frames: FrameList) -> ClipRecord:
        span = made.span
        return ClipRecord(
            id=row.id,
            jpegs=made.jpegs,
            timestamps=[int((pts - span.start_pts) * frames.tick * MICROSECONDS) for pts in span.timestamps],
            label_indices=tuple(self.settings.classes[label] for label in row.labels),
            label_names=row.labels,
            media_id=video.id,
            data_path=redacted_uri(video.uri),
            start_microseconds=row.start_microseconds,
            end_microseconds=row.end_microseconds,
            height=made.height,
            width=made.width,
            frame_rate=float(len(made.jpegs) / ((span.end_pts - span.start_pts) * frames.tick)),
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
    spans: dict[tuple[int, int], Span] = {}
    for number, wanted in enumerate(unit.clips):
        try:
            found = frame_span(wanted.extent, frames)
        except RefusedError as error:
            findings.append(_finding(error.code, unit.video, wanted, error.message))
            continue
        if found.shortened:
            findings.append(_finding(FindingCode.SHORTENED, unit.video, wanted, f"{found.shortened}; it ends there"))
        key = (found.first, found.stop)
        if key not in spans:
            timestamps = tuple(frames.timestamps[found.first : found.stop])
            ends = (frames.pts_of(found.first), frames.pts_of(found.stop))
            spans[key] = Span(*ends, timestamps, folder / f"{number:04}")
        yield _Timed(wanted, spans[key])


def _spans(timed: Sequence[_Timed]) -> list[Span]:
    """Each span once."""
    return [*{one.span.path: one.span for one in timed}.values()]


def _refused(
    video: Video, timed: Sequence[_Timed], made: Mapping[Path, object], code: FindingCode
) -> Iterator[Finding]:
    """A finding for each clip whose span, by its path, has come to an error."""
    for one in timed:
        outcome = made.get(one.span.path)
        if isinstance(outcome, CutError):
            yield _finding(code, video, one.wanted, str(outcome))


def _finding(code: FindingCode, video: Video, wanted: WantedClip, message: str) -> Finding:
    return Finding(code=code, video=video.id, clip=wanted.id, message=message)


def _cut_clip(one: _Timed, frames: FrameList, name: str, file: CutFile | None) -> CutClip:
    around = (0, 0) if file is None else (file.before_seconds, file.after_seconds)
    before, after = (int(seconds * MICROSECONDS) for seconds in around)
    return CutClip(
        id=one.wanted.id,
        labels=(),
        start_microseconds=_microseconds(one.span.start_pts, frames),
        end_microseconds=_microseconds(one.span.end_pts, frames),
        frames=len(one.span.timestamps),
        split="",
        group="",
        file=name,
        before_microseconds=before,
        after_microseconds=after,
        notes=file.notes if file else (),
    )


def _microseconds(pts: int, frames: FrameList) -> int:
    return int(whole_microseconds(frames.seconds_of(pts)) * MICROSECONDS)
