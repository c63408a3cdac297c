"""One cutting run, from its first video to its record and page.

queue ─► engine ─► cuts of a video, stored at once ─► manifest, vocabulary, failures ─► record, annotations.html

A run that is killed or interrupted leaves the cuts of the videos that it has finished, and the next one goes on. The
manifest is written only once every video is settled, with the labels, splits and groups of the annotations as they are
now: where these alone have changed, no video is opened.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace

from typing_extensions import override

from cluster.cutting.cuts_folder import remove_files
from cluster.cutting.outputs import CLIPS_MANIFEST, write_files_manifest, write_source_manifest
from cluster.cutting.plan import PAGE, CuttingPlan, vocabulary_folders
from cluster.datasets.vocabulary import VOCABULARY_FILE, Vocabulary, write_vocabulary
from cluster.engines.base import Engine, EngineError
from cluster.engines.tasks import Done, Outcome, TaskQueue, failure_row
from cluster.reports.annotations_report import render_annotations_report
from cluster.reports.context import PageContext
from cluster.runs.lifecycle import guarded
from cluster.runs.open_failures import OpenFailures
from cluster.runs.progress import Progress
from cluster.runs.recorded_run import RecordedRun
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from schemas.cuttings import CuttingCounts, CuttingRecord, Finding, VideoCuts
from schemas.errors import InputError
from schemas.failures import FailureRow
from schemas.records import MAX_FAILURES
from schemas.runs import FailureNote
from schemas.text import counted
from schemas.videos import MICROSECONDS

logger = logging.getLogger("framemill")


@dataclass
class _Tally:
    """What this run has done itself."""

    cut: int = 0
    failed: int = 0
    records: int = 0
    bytes_written: int = 0
    seconds_by_stage: Counter[str] = field(default_factory=Counter)


class CuttingRun(RecordedRun[CuttingRecord]):
    """Cuts what is left of a plan; the caller holds the lease of its folder."""

    def __init__(self, plan: CuttingPlan, engine: Engine) -> None:
        self._plan, self._engine = plan, engine
        self._ids = [video.id for video in plan.videos]
        self._former = plan.folder.stored(self._ids)  # of those that are not up to date
        retried = plan.options.failures.retry_failed
        self._cuts: dict[str, VideoCuts] = {}  # up to date, by the ids of their videos
        for name, cuts in [*self._former.items()]:
            is_retried = (
                cuts.failure is not None and retried is not None and (not retried or cuts.failure.code in retried)
            )
            if cuts.fingerprint == plan.fingerprints[name] and not is_retried:
                self._cuts[name] = self._labelled(self._former.pop(name))
        before = {name: cuts.failure.code for name, cuts in self._cuts.items() if cuts.failure is not None}
        super().__init__(plan.folder, plan.options, plan.started, OpenFailures(before))
        self._settled_text = self._failures.among(len(self._cuts))
        self._failed_before, self._done_before = len(before), len(self._cuts) - len(before)
        self._tally = _Tally()
        self._pending = [video for video in plan.videos if video.id not in self._cuts]
        self._queue = TaskQueue(self._pending)

    @override
    def _opening(self) -> str:
        plan = self._plan
        return (
            f"{counted(len(plan.videos), 'video')} of {redacted_uri(plan.source)}, {self._settled_text}, "
            f"{len(self._pending)} to do, into {plan.options.output}"
        )

    @override
    def _closing(self, record: CuttingRecord) -> str:
        counts = record.counts
        before = f" and {counts.already_cut} done before" if counts.already_cut else ""
        return (
            f"{counted(counts.clips, 'clip')} of {counted(len(record.clips_by_class), 'class')} "
            f"from {counted(counts.cut, 'video')}{before}, {counts.failed} failed"
        )

    @override
    def _notes(self, record: CuttingRecord) -> list[str]:
        counts = record.counts
        if not counts.refused and not counts.reported:
            return []
        return [
            f"{counts.refused} annotations or clips refused, {counts.reported} oddities reported: "
            f"{self._plan.beside_output(PAGE)}"
        ]

    @override
    def _work(self) -> str:
        status = guarded(self._cut, EngineError, OSError, ValueError)
        return guarded(self._write_outputs, OSError, ValueError) if status == "completed" else status

    def _cut(self) -> None:
        if not self._pending:
            return
        reporting = self._plan.options.reporting
        style = Progress.style_for(quiet=reporting.quiet, log_format=reporting.log_format)
        with (
            Progress(len(self._pending), style=style) as progress,
            closing(self._engine.started().run(self._queue, self._plan.worker)) as outcomes,
        ):
            for outcome in outcomes:
                cuts = self._taken(outcome)
                if cuts.cut is not None:
                    progress.add_frames(cuts.cut.frames)
                progress.add_video(failed=cuts.failure is not None)

    def _taken(self, outcome: Outcome) -> VideoCuts:
        """Store what a video has come to, and count it."""
        plan, tally, video = self._plan, self._tally, outcome.task.video
        cut, failure = None, None
        if isinstance(outcome, Done):
            cut = outcome.features
            tally.cut += 1
            tally.records += len(cut.records)
            tally.bytes_written += cut.bytes_written
            tally.seconds_by_stage.update(cut.seconds_by_stage)
        else:
            failure = FailureNote.of(failure_row(outcome, plan.run_id))
            tally.failed += 1
            self._failures.add(video.id, failure.code)
        cuts = VideoCuts(
            id=video.id, uri=redacted_uri(video.uri), fingerprint=plan.fingerprints[video.id], cut=cut, failure=failure
        )
        plan.folder.write(cuts)
        self._remove_former(self._former.get(video.id), cuts)
        self._cuts[video.id] = self._labelled(cuts)
        self._update()
        return cuts

    def _labelled(self, cuts: VideoCuts) -> VideoCuts:
        """With the labels of today."""
        return cuts if cuts.cut is None else replace(cuts, cut=self._plan.label(cuts.id, cuts.cut))

    def _remove_former(self, former: VideoCuts | None, now: VideoCuts) -> None:
        """Remove the files that an earlier run has made of the video, and that nothing refers to any more."""
        clips, records = ([set(files_of(one)) for one in (former, now)] for files_of in (_clip_files, _record_files))
        left = [
            *remove_files(self._plan.options.clips, sorted(clips[0] - clips[1])),
            *remove_files(self._plan.options.tfrecords, sorted(records[0] - records[1])),
        ]
        if left:
            logger.warning(f"{counted(len(left), 'file')} of an earlier run cannot be removed: {', '.join(left[:5])}")

    def _write_outputs(self) -> None:
        plan, options = self._plan, self._plan.options
        cuts = self._ordered()
        rows = [_failure_row(one, plan.run_id) for one in cuts if one.failure is not None]
        plan.folder.write_failures(rows)
        if not any(one.cut and one.cut.clips for one in cuts):
            raise InputError(f"no clip is left, so no manifest is written; {plan.beside_output(PAGE)} says why")
        if options.from_tfrecords is None:
            write_source_manifest(options.output, cuts, {video.id: video.uri for video in plan.videos})
        else:
            write_files_manifest(options.output, cuts, options.clips)
        if options.clips is not None:
            write_files_manifest(files.join(options.clips, CLIPS_MANIFEST), cuts)
        for folder in vocabulary_folders(options) if plan.classes else ():
            write_vocabulary(files.join(folder, VOCABULARY_FILE), Vocabulary(plan.classes))

    @override
    def _write_page(self, record: CuttingRecord) -> None:
        uri = self._plan.beside_output(PAGE)
        context = PageContext(uri=uri, unchanged=self._plan.options.unchanged())
        with self._plan.folder.explained("written to"):
            files.write_bytes(uri, render_annotations_report(record, self._ordered(), context).encode())

    def _ordered(self) -> list[VideoCuts]:
        return [self._cuts[name] for name in self._ids if name in self._cuts]

    @override
    def _record(self, status: str) -> CuttingRecord:
        plan, options, tally = self._plan, self._plan.options, self._tally
        cuts = self._ordered()
        clips = [clip for one in cuts if one.cut for clip in one.cut.clips]
        found: list[Finding] = [*plan.findings, *(finding for one in cuts if one.cut for finding in one.cut.findings)]
        refused = sum(finding.is_refusal for finding in found)
        failures = [one.failure for one in cuts if one.failure is not None]
        return CuttingRecord(
            **self._header(status),
            job="cut_clips",
            machine=self._engine.machine(),
            counts=CuttingCounts(
                videos_total=len(plan.videos),
                already_cut=self._done_before,
                failed_before=self._failed_before,
                cut=tally.cut,
                failed=tally.failed,
                clips=len(clips),
                refused=refused,
                reported=len(found) - refused,
                shards=tally.records,
                bytes_written=tally.bytes_written,
                retried=len(self._queue.retried),
                workers_lost=self._queue.workers_lost,
                nodes_lost=len(self._queue.nodes_lost),
            ),
            source=redacted_uri(plan.source),
            output=redacted_uri(options.output),
            findings=plan.findings[:MAX_FAILURES],
            notes=plan.notes[:MAX_FAILURES],
            clips_by_class=dict(sorted(Counter(label for clip in clips for label in clip.labels).items())),
            clips_by_split=dict(sorted(Counter(clip.split for clip in clips).items())),
            clip_seconds=sum(clip.end_microseconds - clip.start_microseconds for clip in clips) / MICROSECONDS,
            failures=tuple(failures[:MAX_FAILURES]),
            failures_by_code=dict(Counter(failure.code for failure in failures)),
            seconds_by_stage=dict(tally.seconds_by_stage),
        )


def _clip_files(cuts: VideoCuts | None) -> list[str]:
    return [clip.file for clip in cuts.cut.clips if clip.file] if cuts and cuts.cut else []


def _record_files(cuts: VideoCuts | None) -> list[str]:
    return list(cuts.cut.records) if cuts and cuts.cut else []


def _failure_row(cuts: VideoCuts, run_id: str) -> FailureRow:
    assert cuts.failure is not None
    return FailureRow(**vars(cuts.failure), run_id=run_id, content="")
