"""The report of an extraction run: its outcomes, failures with advice, throughput and configuration.

In: a `RunRecord`, and what else the page shows (`cluster.reports.context`). Out: the text of a self-contained HTML file
(`cluster.reports.pages`). Rates are those after the start-up, which lasts until the first video is done.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from cluster.reports.charts.bars import histogram, line_chart, stages_chart, strip
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.csv_link import csv_link
from cluster.reports.failures import failure_kinds, failure_rows, retry_command
from cluster.reports.outcomes import outcome_bars
from cluster.reports.pages import changed_options, render_page, settings_table
from schemas.runs import RunRecord, SlowVideo, ThroughputPoint

MAX_INTERVALS = 80  # of the chart over time; more are noise at the width of a page

HEADINGS = {
    "running": "Extraction is running",
    "completed": "Extraction completed",
    "interrupted": "Extraction was interrupted",
    "failed": "Extraction failed",
    "died": "Extraction was killed",
}


@dataclass(frozen=True)
class Rates:
    """What a run did in a second after its start-up of `startup_seconds`; None where it did too little to tell."""

    startup_seconds: float
    frames: float | None = None
    videos: float | None = None
    video_seconds: float | None = None


def render_run_report(record: RunRecord, context: PageContext = NOTHING) -> str:
    """The page of a run."""
    return render_page("run_report.html", _content(record, context), context)


def _content(record: RunRecord, context: PageContext) -> dict[str, Any]:
    """The variables of the template."""
    counts, wall, rates = record.counts, record.wall_seconds, _rates(record)
    outcomes = outcome_bars(counts, counts.extracted, "extracted", counts.already_done)
    return {
        "record": record,
        "counts": counts,
        "title": HEADINGS[record.status],
        "is_partial": bool(counts.failed or counts.unaccounted or record.unread),
        "videos": context.videos,
        "wall_seconds": wall,
        "rates": rates,
        "outcomes": outcomes,
        "outcomes_strip": strip(outcomes, "Outcomes of all videos"),
        "throughput_chart": None if rates.frames is None else _throughput_chart(record.throughput, rates.frames),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "durations_chart": (
            histogram(record.durations.edges_seconds, record.durations.counts, "Videos by duration")
            if any(record.durations.counts)
            else None
        ),
        "failure_kinds": failure_kinds(record.failures_by_code, record.failures),
        "failures": failure_rows(record.failures),
        "slowest_csv": _slowest_csv(record.slowest, context),
        "command": [shlex.quote(word) for word in record.command],
        "retry_command": retry_command(record.command, record.failures_by_code),
        "changed": changed_options(record.configuration, context.unchanged),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Fingerprint of the features": settings_table(record.fingerprint),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
    }


def _rates(record: RunRecord) -> Rates:
    """The rates between the first video and the last one."""
    done = [point for point in record.throughput if point.videos]
    if not done:
        return Rates(0.0)
    first, last = done[0], done[-1]
    seconds, frames = last.seconds - first.seconds, last.frames - first.frames
    if seconds <= 0 or last.videos == first.videos:
        return Rates(first.seconds)
    per_frame = record.counts.decoded_seconds / record.counts.frames if record.counts.frames else 0.0
    return Rates(
        first.seconds,
        frames=frames / seconds,
        videos=(last.videos - first.videos) / seconds,
        video_seconds=frames * per_frame / seconds,
    )


def _slowest_csv(videos: Sequence[SlowVideo], context: PageContext) -> str:
    rows = ((video.id, context.videos.get(video.id, ""), video.seconds, video.frames) for video in videos)
    return csv_link(("id", "uri", "seconds", "frames"), rows)


def _throughput_chart(points: tuple[ThroughputPoint, ...], mean: float) -> Markup | None:
    """Frames per second over equal intervals; None for a run too short for that."""
    totals = sorted({0.0: 0, **{point.seconds: point.frames for point in points}}.items())
    span = totals[-1][0]
    if len(totals) < 3:
        return None
    edges = np.linspace(0.0, span, min(len(totals) - 1, MAX_INTERVALS) + 1)
    frames = np.interp(edges, [seconds for seconds, _ in totals], [total for _, total in totals])
    rates = np.diff(frames) / np.diff(edges)
    return line_chart([float(rate) for rate in rates], span, mean, "frames per second")
