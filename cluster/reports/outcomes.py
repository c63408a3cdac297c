"""What has become of the videos of a run, as bars for its page."""

from __future__ import annotations

from cluster.reports.charts.bars import Bar
from cluster.reports.numbers import count_text
from schemas.records import JobCounts


def outcome_bars(counts: JobCounts, done: int, made: str, settled: int) -> list[Bar]:
    """Of all videos: `done` were `made` by this run, `settled` by earlier ones."""
    values = [
        (made, done, "good"),
        ("already done", settled, "muted"),
        ("failed", counts.failed, "bad"),
        ("not processed", max(counts.unaccounted, 0), "track"),
    ]
    return [
        Bar(label=label, value=value, text=count_text(value), style=style)
        for label, value, style in values
        if value or label != "not processed"
    ]
