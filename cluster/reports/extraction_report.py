"""Run report: one HTML page that tells a person what a run did and what there is to do next.

In: a `RunRecord`.
Out: the text of one self-contained file: no script, no font, no picture from elsewhere, and a content security policy
that would not let any in; see `cluster.reports.pages`.
"""

import shlex
from typing import Any

import numpy as np
from markupsafe import Markup

from cluster.reports import numbers
from cluster.reports.charts.bars import Part, histogram, line_chart, stages_chart, strip
from cluster.reports.failures import FAILURES_IN_SIGHT, failure_kinds
from cluster.reports.pages import render_page, settings_table
from schemas.runs import RunRecord, ThroughputPoint

MOST_INTERVALS = 80  # of the line over time; more than that is noise at the width of a page

STATUS_WORDS = {
    "running": "Extraction is running",
    "completed": "Extraction completed",
    "interrupted": "Extraction was interrupted",
    "failed": "Extraction failed",
    "died": "Extraction was killed",
}


def render_run_report(record: RunRecord) -> str:
    """Write the page for one run."""
    return render_page("run_report.html", _content(record))


def _content(record: RunRecord) -> dict[str, Any]:
    """Everything that the template names."""
    counts, wall = record.counts, record.wall_seconds
    return {
        "record": record,
        "counts": counts,
        "status_words": STATUS_WORDS[record.status],
        "wall_seconds": wall,
        "frames_per_second": counts.frames / wall if wall else 0.0,
        "videos_per_second": counts.processed / wall if wall else 0.0,
        "times_real_time": counts.decoded_seconds / wall if wall else 0.0,
        "outcomes": _outcomes(record),
        "outcomes_strip": strip(_outcomes(record), "Outcomes of all videos"),
        "throughput_chart": _throughput_chart(record.throughput, counts.frames / wall if wall else 0.0),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "durations_chart": (
            histogram(record.durations.edges_seconds, record.durations.counts, "Videos by length")
            if any(record.durations.counts)
            else None
        ),
        "failure_kinds": failure_kinds(record.failures_by_code, record.failures),
        "failures_in_sight": record.failures[:FAILURES_IN_SIGHT],
        "failures_folded": record.failures[FAILURES_IN_SIGHT:],
        "command": [shlex.quote(word) for word in record.command],
        "retry_command": _retry_command(record.command),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Fingerprint of the features": settings_table(record.fingerprint),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
    }


def _outcomes(record: RunRecord) -> list[Part]:
    counts = record.counts
    values = [
        ("extracted", counts.extracted, "good"),
        ("already done", counts.already_done, "quiet"),
        ("failed", counts.failed, "bad"),
        ("not reached", max(counts.unaccounted, 0), "track"),
    ]
    return [
        Part(label=label, value=value, text=numbers.count_text(value), style=style)
        for label, value, style in values
        if value or label != "not reached"
    ]


def _throughput_chart(points: tuple[ThroughputPoint, ...], mean: float) -> Markup | None:
    """Frames per second over equal parts of the time; None where there is no time to speak of."""
    totals = sorted({0.0: 0, **{point.seconds: point.frames for point in points}}.items())
    span = totals[-1][0]
    if len(totals) < 3:
        return None
    edges = np.linspace(0.0, span, min(len(totals) - 1, MOST_INTERVALS) + 1)
    frames = np.interp(edges, [seconds for seconds, _ in totals], [total for _, total in totals])
    rates = np.diff(frames) / np.diff(edges)
    return line_chart([float(rate) for rate in rates], span, mean, "frames per second")


def _retry_command(command: tuple[str, ...]) -> list[str]:
    words = command if "--retry-failed" in command else (*command, "--retry-failed")
    return [shlex.quote(word) for word in words]
