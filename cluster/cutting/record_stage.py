"""The way back: files of records → clips in files, with rows as if they had been cut.

In: a TFRecord file of clips (`sequence_example`), as a "video". Out: `CutVideo`. Frames are at their
`image/timestamp`, or else at `image/frame_rate`; a record with neither, or that is damaged, becomes a finding, and the
next one is read. Labels are the names in the record, or else the indices, which a vocabulary names (`labelling`).
"""

from __future__ import annotations

import os
import posixpath
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from cluster.cutting.config import CuttingOptions
from cluster.cutting.cuts_folder import CutsFolder, all_or_none
from cluster.cutting.labelling import named
from cluster.cutting.plan import CuttingPlan, unwritable, vocabulary_problems
from cluster.cutting.sequence_example import ClipRecord, decoded
from cluster.cutting.stage import NAME_DIGITS
from cluster.cutting.unit import VERSION, hashed
from cluster.datasets.grouped_splits import stored_split
from cluster.datasets.vocabulary import VOCABULARY_FILE, read_vocabulary
from cluster.engines.stage import NetworklessStage
from cluster.engines.video_worker import VideoWorker
from cluster.runs.lifecycle import new_run_id
from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.output_file import output_file
from cluster.storage.tfrecords import TFRECORD, RecordError, RecordPlace, is_tfrecord, record_at, record_places
from extractors.cutting.from_jpegs import write_jpegs
from extractors.cutting.span import CutError
from extractors.segments import Segment
from extractors.video.media import Source
from schemas.cuttings import CutClip, CutVideo, Finding, FindingCode
from schemas.errors import InputError
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.videos import MICROSECONDS, Video

MAX_RECORD_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class RecordStage(NetworklessStage):
    """Writes the clips of one file of records after another. `rate` is for records that do not tell theirs."""

    clips: str
    crf: int
    rate: Fraction | None
    names: Mapping[str, str]
    max_pixels: int

    @property
    def result_type(self) -> type[CutVideo]:
        """Of what it makes of a file."""
        return CutVideo

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[CutVideo, list[Segment]]:
        """The clips of a file. Raises `VideoError` for one that begins with no record."""
        started = time.thread_time()
        clips: list[CutClip] = []
        findings: list[Finding] = []
        size = 0
        name = self.names[video.id][:NAME_DIGITS]
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="framemill-")))
            is_path = isinstance(source, str | os.PathLike)
            file: IO[bytes] = stack.enter_context(open(source, "rb")) if is_path else source  # type: ignore[arg-type, assignment]
            names = stack.enter_context(all_or_none(self.clips))
            number = 0
            try:
                for place in record_places(file, video.id):
                    number = place.number + 1
                    names.append(f"{name}-{place.number:06}.mp4")
                    try:
                        clip, written = self._clip(_data(file, place, video), place.number, video, folder, names[-1])
                    except (CutError, RecordError, ValueError) as error:
                        findings.append(_refused(video, place.number, _line(error)))
                        continue
                    clips.append(clip)
                    size += written
            except RecordError as error:
                if not number:
                    raise VideoError(FailureCode.DAMAGED, _line(error), Stage.READ) from error
                findings.append(_refused(video, number, f"{_line(error)}; what follows it cannot be found"))
        spent = time.thread_time() - started
        seconds = sum(clip.end_microseconds - clip.start_microseconds for clip in clips) / MICROSECONDS
        frames = sum(clip.frames for clip in clips)
        result = CutVideo(
            frames=frames,
            duration_seconds=seconds,
            rate=frames / seconds if seconds else 0.0,
            is_variable=False,
            clips=tuple(clips),
            findings=tuple(findings),
            records=(),
            bytes_written=size,
            seconds_by_stage={"cut": spent},
        )
        return result, []

    def _clip(self, data: bytes, number: int, video: Video, folder: Path, target: str) -> tuple[CutClip, int]:
        record = decoded(data)
        times, end = self._times(record)
        path = folder / "clip.mp4"
        write_jpegs(path, record.jpegs, times, end, crf=self.crf, max_pixels=self.max_pixels)
        written = path.stat().st_size
        with path.open("rb") as content, output_file(files.join(self.clips, target)) as output:
            shutil.copyfileobj(content, output)
        clip = CutClip(
            id=f"{video.id}#{number:06}",
            labels=record.label_names or tuple(map(str, record.label_indices)),
            start_microseconds=0,
            end_microseconds=end - times[0],
            frames=len(record.jpegs),
            split=video.split,
            group=record.media_id or f"{video.id}#{number:06}",
            file=target,
        )
        return clip, written

    def _times(self, record: ClipRecord) -> tuple[list[int], int]:
        """When frames begin, and the last one ends, in microseconds."""
        count, times = len(record.jpegs), list(record.timestamps)
        if len(times) == count and all(one < other for one, other in pairwise(times)):
            lasted = record.end_microseconds - record.start_microseconds
            mean = (times[-1] - times[0]) // (count - 1) if count > 1 else MICROSECONDS // 25
            end = times[0] + lasted if lasted > times[-1] - times[0] else times[-1] + mean
            return times, end
        told = record.frame_rate if 0 < record.frame_rate <= MICROSECONDS else 0.0  # else it is damaged
        rate = Fraction(told).limit_denominator(1001) or self.rate
        if rate is None:
            raise ValueError("it tells no usable image/timestamp or image/frame_rate: give --frame-rate")
        moments = [int(number * MICROSECONDS / rate) for number in range(count + 1)]
        return moments[:-1], moments[-1]


def make_records_plan(options: CuttingOptions) -> CuttingPlan:
    """The plan that turns records back into clips. Raises `InputError` with everything that is wrong."""
    started = datetime.now(UTC)
    source = options.from_tfrecords or ""
    problems = unwritable(options)
    videos: list[Video] = []
    classes: tuple[str, ...] = ()
    try:
        videos = _record_files(source)
        folder = posixpath.dirname(source) if is_tfrecord(source) else source
        classes = tuple(read_vocabulary(files.join(folder or ".", VOCABULARY_FILE)).names)
    except (OSError, files.StorageError) as error:
        problems.append(f"{source} cannot be read: {error}")
    if not videos and not problems:
        problems.append(f"{source}: no file there ends in {TFRECORD}")
    if not problems:
        problems += vocabulary_problems(options, classes, source)
    if problems:
        raise InputError(*problems)
    settings = {
        "crf": options.crf,
        "rate": str(options.reading.rate),
        "max_pixels": options.max_pixels,
    }
    fingerprints = {video.id: hashed([VERSION, asdict(video), settings, options.clips]) for video in videos}
    stage = RecordStage(
        clips=options.clips or "",
        crf=options.crf,
        rate=options.reading.rate,
        names={video.id: hashed([VERSION, video.id, video.version, settings]) for video in videos},
        max_pixels=options.max_pixels,
    )
    run_id, engine = new_run_id(started), options.engine
    return CuttingPlan(
        options=options,
        run_id=run_id,
        started=started,
        source=source,
        videos=tuple(videos),
        fingerprints=fingerprints,
        findings=(),
        notes=(),
        classes=classes,
        label=lambda _, cut: named(classes, cut),
        worker=VideoWorker(stage, engine.memory_limit_mib << 20, engine.time_limit, options.policy),
        folder=CutsFolder(options.output, run_id=run_id),
    )


def _record_files(source: str) -> list[Video]:
    """The files of records, each in the split that its folder is named after."""
    root = files.join(source)
    found = sorted((file for file in list_files(source) if is_tfrecord(file.uri)), key=lambda file: file.uri)
    videos = []
    for file in found:
        name = file.uri.removeprefix(files.local_path(root) if files.is_local(root) else root).strip("/")
        split = stored_split(posixpath.basename(posixpath.dirname(file.uri))) or ""
        videos.append(Video(name or posixpath.basename(file.uri), file.uri, split=split, version=file.version))
    return videos


def _data(file: IO[bytes], place: RecordPlace, video: Video) -> bytes:
    if place.length > MAX_RECORD_BYTES:
        raise RecordError(f"it has {place.length:,} bytes, and at most {MAX_RECORD_BYTES:,} are read")
    return record_at(file, place, video.id)


def _refused(video: Video, number: int, message: str) -> Finding:
    return Finding(code=FindingCode.NOT_CUT, video=video.id, source=f"record {number}", message=message)


def _line(error: Exception) -> str:
    return str(error).replace("\n", "; ")
