"""One run of a night, from the work that is left to the day's record and page.

parts that are due (extraction, labels) ─► statistics, drift, pictures ─► record, page

A run always ends in a record, whatever ends it (`cluster.nightly.day_record`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from cluster.clips.thumbnails import thumbnails_of
from cluster.datasets.label_dataset import LabelDataset
from cluster.engines.base import Engine
from cluster.nightly.config import NightlySettings
from cluster.nightly.day_record import DayRecord
from cluster.nightly.parts.base import NightPart
from cluster.nightly.parts.outcome import PartOutcome
from cluster.nightly.plan import NightPlan
from cluster.nightly.records import NightRecords
from cluster.nightly.scenes import Scenes
from cluster.nightly.statistics import BATCH_ROWS, NightStatistics
from cluster.nightly.timeline_samples import TimelineSamples
from cluster.runs.lifecycle import ExitCode, code_of, failed
from cluster.storage.lease import Lease
from cluster.storage.redaction import redacted, redacted_uri
from extractors.video.thumbnail import Thumbnail
from schemas.errors import InputError
from schemas.label_statistics import LabelStatistics
from schemas.labels import LABEL_SCHEMA
from schemas.nights import NightCounts
from schemas.timelines import TIMELINE_LABEL_SCHEMA
from schemas.videos import Video

BROKEN = (InputError, OSError)  # what may go wrong with files and stores

logger = logging.getLogger("framemill")


class Night:
    """One nightly run, which holds `lease`."""

    def __init__(
        self,
        settings: NightlySettings,
        run_id: str,
        plan: NightPlan,
        engine: Engine,
        records: NightRecords,
        lease: Lease,
    ) -> None:
        self._settings, self._options = settings, settings.options
        self._plan, self._lease = plan, lease
        self._failed_before: Collection[str] = ()
        self._day = DayRecord(
            records,
            settings.date,
            options=settings.options,
            subject=plan.subject,
            run_id=run_id,
            machine=engine.machine(),
        )

    def __call__(self) -> ExitCode:
        """Do everything that is left. Raises `InputError` or `OSError` for problems before anything is touched."""
        try:
            return self._work()
        except KeyboardInterrupt:
            self._give_up("interrupted", "")
            return ExitCode.INTERRUPTED
        except BROKEN as error:
            if not self._day.runs.has_begun:
                raise
            self._give_up(failed(error), redacted(str(error)))
            return ExitCode.FAILED
        except Exception:
            self._give_up("failed", "an error in this program; the log says more")
            raise

    def _give_up(self, status: str, problem: str) -> None:
        if self._day.runs.has_begun:
            with suppress(*BROKEN):  # the record's own store may be the broken one
                self._end(status, problem)

    def _work(self) -> ExitCode:
        self._failed_before = self._still_failed()
        to_do = self._plan.first.standing.counts
        has_worked = False
        for part in self._plan.parts:
            if not part.is_due():
                part.log_settled()
                continue
            has_worked = True
            status = self._carry_out(part, to_do).status
            if status != "completed":
                return self._end(status, f"{part.name}: {status}; {part.explained} says more")
        if not has_worked and self._day.runs.is_complete:
            logger.info(f"nothing is new, and {self._settings.date} has its record: {self._day.page_uri}")
            problem = self._too_many_failures()
            if problem:
                logger.error(InputError(problem))
            return code_of("completed", is_too_many=bool(problem))
        self._day.begin(to_do)
        return self._end("completed", dataset=self._plan.labels.dataset())

    def _carry_out(self, part: NightPart, to_do: NightCounts) -> PartOutcome:
        part.start()
        with part.lease() as lease:
            self._day.begin_part(part.name, part.run_id, to_do)
            outcome = part.carry_out(lease)
        self._day.runs.add(outcome)
        return outcome

    def _too_many_failures(self) -> str:
        """The problem of a day with too many failures that are still open; empty where they are few enough."""
        limit = self._options.failures.max_failure_ratio
        tallies = {part.name: part.tally(self._day.runs) for part in self._plan.parts}
        return "; ".join(
            f"too many failures: {part} of {failed} out of {failed + done} videos (--max-failure-ratio {limit:g})"
            for part, (failed, done) in tallies.items()
            if failed and failed / (failed + done) > limit
        )

    def _end(self, status: str, problem: str = "", dataset: LabelDataset | None = None) -> ExitCode:
        """Write the record and the page, with new statistics where there is a `dataset` of labels."""
        with suppress(*BROKEN):  # of runs that died, which a night does without where the store is broken
            self._day.runs.recount(self._plan.outcome_of)
        problem = self._too_many_failures() if status == "completed" else problem
        labels, scenes = (None, {}) if dataset is None else self._statistics(dataset)
        left = NightCounts() if status == "completed" else self._left()
        self._lease.confirm()
        self._day.runs.end(status, problem, left)
        videos = [] if labels is None else self._videos_shown(labels)
        pictures = {} if self._options.report.without_pictures else self._pictures(videos, scenes)
        self._day.write(labels, pictures, {video.id: redacted_uri(video.uri) for video in videos}, self._mended())
        return code_of(status, is_too_many=bool(problem))

    def _left(self) -> NightCounts:
        """Videos of this run that are not settled; all of them where the dataset cannot be read."""
        try:
            return self._plan.first.standing.counts
        except BROKEN:
            return self._day.runs.current.counts

    def _statistics(self, dataset: LabelDataset) -> tuple[LabelStatistics, Mapping[str, float]]:
        """Those of all labels, and where videos that are shown have their scenes."""
        config = self._plan.labels.classes
        statistics = NightStatistics(config.class_indices, config.class_names, self._options.report.sure_from)
        step_seconds = self._options.timelines.step_seconds
        samples = TimelineSamples(config.class_indices, config.class_names, step_seconds)
        scenes = Scenes(step_seconds)
        has_timelines = self._options.timelines.timeline
        for table in dataset.tables(TIMELINE_LABEL_SCHEMA if has_timelines else LABEL_SCHEMA):
            for batch in table.to_batches(BATCH_ROWS):
                statistics.add(batch)
                if has_timelines:
                    samples.add(batch)
                    scenes.add(batch, statistics.shown | samples.shown)
        return replace(statistics.result(), timelines=samples.result()), scenes.seconds

    def _videos_shown(self, labels: LabelStatistics) -> list[Video]:
        """Rows hold URIs without their secrets; only the manifest has URIs that can be opened."""
        shown = dict.fromkeys(video.id for video in (*labels.least_sure, *labels.samples))
        shown |= dict.fromkeys(timeline.id for timeline in labels.timelines)
        videos = {video.id: video for video in self._plan.first.videos if video.id in shown}
        return [videos[name] for name in shown if name in videos]

    def _pictures(self, videos: Sequence[Video], scenes: Mapping[str, float]) -> Mapping[str, Thumbnail]:
        """Of a night that looks for sensitive scenes all are blurred: it may have overlooked some."""
        is_blurred = self._options.timelines.sensitive
        return thumbnails_of(videos, self._options.policy, is_blurred=is_blurred, at_seconds=scenes)

    def _mended(self) -> Collection[str]:
        """Ids that failed before this run, or in a run of the day, and no longer do."""
        try:
            return {*self._failed_before, *self._day.runs.failures} - self._still_failed()
        except BROKEN:
            return ()

    def _still_failed(self) -> set[str]:
        return {name for part in self._plan.video_parts for name in part.standing.failed}
