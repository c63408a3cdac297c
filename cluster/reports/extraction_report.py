"""The report of an extraction run: its outcomes, failures with advice, throughput and configuration.

In: a `RunRecord`. Out: the text of a self-contained HTML file (`cluster.reports.pages`).
"""

import shlex
from typing import Any

import numpy as np
from markupsafe import Markup

from cluster.reports import numbers
from cluster.reports.charts.bars import Bar, histogram, line_chart, stages_chart, strip
from cluster.reports.failures import FAILURES_SHOWN, failure_kinds
from cluster.reports.pages import render_page, settings_table
from schemas.outcomes import RETRY_HELPS
from schemas.runs import RunRecord, ThroughputPoint

MAX_INTERVALS = 80  # of the chart over time; more are noise at the width of a page

HEADINGS = {
    "running": "Extraction is running",
    "completed": "Extraction completed",
    "interrupted": "Extraction was interrupted",
    "failed": "Extraction failed",
    "died": "Extraction was killed",
}


def render_run_report(record: RunRecord) -> str:
    """The page of a run."""
    return render_page("run_report.html", _content(record))


def _content(record: RunRecord) -> dict[str, Any]:
    """The variables of the template."""
    counts, wall = record.counts, record.wall_seconds
    return {
        "record": record,
        "counts": counts,
        "heading": HEADINGS[record.status],
        "wall_seconds": wall,
        "frames_per_second": counts.frames / wall if wall else 0.0,
        "videos_per_second": counts.processed / wall if wall else 0.0,
        "times_real_time": counts.decoded_seconds / wall if wall else 0.0,
        "outcomes": _outcomes(record),
        "outcomes_strip": strip(_outcomes(record), "Outcomes of all videos"),
        "throughput_chart": _throughput_chart(record.throughput, counts.frames / wall if wall else 0.0),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "durations_chart": (
            histogram(record.durations.edges_seconds, record.durations.counts, "Videos by duration")
            if any(record.durations.counts)
            else None
        ),
        "failure_kinds": failure_kinds(record.failures_by_code, record.failures),
        "failures_shown": record.failures[:FAILURES_SHOWN],
        "failures_collapsed": record.failures[FAILURES_SHOWN:],
        "command": [shlex.quote(word) for word in record.command],
        "retry_command": _retry_command(record),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Fingerprint of the features": settings_table(record.fingerprint),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
    }


def _outcomes(record: RunRecord) -> list[Bar]:
    counts = record.counts
    values = [
        ("extracted", counts.extracted, "good"),
        ("already done", counts.already_done, "muted"),
        ("failed", counts.failed, "bad"),
        ("not processed", max(counts.unaccounted, 0), "track"),
    ]
    return [
        Bar(label=label, value=value, text=numbers.count_text(value), style=style)
        for label, value, style in values
        if value or label != "not processed"
    ]


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


def _retry_command(record: RunRecord) -> list[str]:
    """The command that tries again what another attempt may mend; empty where there is nothing of the kind."""
    codes = sorted(record.failures_by_code.keys() & RETRY_HELPS.keys())
    if not codes:
        return []
    command = record.command
    words = command if "--retry-failed" in command else (*command, "--retry-failed", *codes)
    return [shlex.quote(word) for word in words]
