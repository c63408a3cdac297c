"""The report of a nightly run: new videos, their labels, drift from previous nights, failures and cost.

In: the night's record, those of previous nights, thumbnails by video id, and what else the page shows
(`cluster.reports.context`). Out: the text of a self-contained HTML file (`cluster.reports.pages`).

Below `FEW` videos, tonight or on all previous nights together, labels are counted and not compared.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from cluster.reports import numbers
from cluster.reports.charts.bars import Bar
from cluster.reports.charts.colours import COLOURS
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.csv_link import csv_link
from cluster.reports.failures import failure_kinds, failure_rows
from cluster.reports.night_charts import columns, points_text, score_columns, shares_chart
from cluster.reports.night_timelines import timeline_figures
from cluster.reports.pages import changed_options, jpeg_text, render_page, settings_table
from extractors.video.thumbnail import Thumbnail
from schemas.label_statistics import ClassDrift, LabelledVideo, LabelStatistics
from schemas.nights import NightCounts, NightRecord
from schemas.runs import FailureNote
from schemas.text import counted

SHOWN_CLASSES = 24
LISTED_CLASSES = 200  # in the collapsed table
LONGEST_GAP = 3  # days without a night that the charts by night leave room for; a longer gap is cut short
RATES_FROM = 1000  # videos, from which the cost of 1,000 is told: that of a start-up is not extrapolated
COUNT_TITLES = {
    "new": "new videos",
    "changed": "changed videos",
    "extracted": "extracted",
    "failed": "failed",
    "labelled": "labelled",
}
FINGERPRINTS = {  # by whether features are extracted, and what is labelled
    (True, "features"): "Fingerprint of the features",
    (True, "videos"): "Fingerprint of features and clips",
    (False, "videos"): "Fingerprint of the clips",
}
HEADINGS = {
    "running": "Nightly run in progress",
    "completed": "Nightly run completed",
    "interrupted": "Nightly run was interrupted",
    "failed": "Nightly run failed",
    "died": "Nightly run was killed",
}


def render_night_report(
    night: NightRecord,
    earlier: Sequence[NightRecord],
    pictures: Mapping[str, Thumbnail],
    context: PageContext = NOTHING,
    mended: Collection[str] = (),
) -> str:
    """The page of a night; `mended` are ids that failed before, on this night or earlier, and no longer do."""
    return render_page("night.html", _content(night, earlier, pictures, context, mended), context)


def night_headline(night: NightRecord) -> str:
    """A night in one sentence."""
    counts = night.counts
    came = [
        f"{numbers.count_text(number)} {word}"
        for number, word in ((counts.new, "new"), (counts.changed, "changed"), (counts.retried, "retried"))
        if number
    ]
    if not came and not counts.labelled:
        return "No new videos; all labels are up to date."
    if not came:
        extraction = "No new videos"
    elif counts.new + counts.changed + counts.retried == 1:
        extraction = f"{came[0]} video{', which failed' if counts.failed else ''}"
    else:
        failed = numbers.count_text(counts.failed) if counts.failed else "none"
        extraction = f"Of {_listed(came)} videos, {failed} failed"
    were = "was" if counts.labelled == 1 else "were"
    return f"{extraction}; {counted(counts.labelled, 'video')} {were} labelled."


def _content(
    night: NightRecord,
    earlier: Sequence[NightRecord],
    pictures: Mapping[str, Thumbnail],
    context: PageContext,
    mended: Collection[str],
) -> dict[str, Any]:
    """The variables of the template."""
    labels, drift, counts, cost = night.labels, night.drift, night.counts, night.cost
    last = night.runs[-1]
    rows = _rows(night)
    tried = (counts.extracted if night.extracts else counts.labelled) + counts.failed
    per_thousand = 1000 / tried if tried >= RATES_FROM else 0.0
    is_compared = _is_compared(night, earlier)
    failures = [note for note in night.failures if note.id not in mended]
    return {
        "night": night,
        "day": f"{date.fromisoformat(night.date):%A, %-d %B %Y}",
        "title": HEADINGS[night.status],
        "headline": night_headline(night),
        "counts": counts,
        # Where videos are extracted and labelled, those that fail in one part alone are processed, too.
        "processed": None if night.extracts and night.labels_of == "videos" else tried,
        "cost": cost,
        "labels": labels,
        "drift": drift,
        "is_compared": is_compared,
        "few": numbers.FEW,
        "is_partial": bool(failures or counts.unread or last.problem),
        "last": last,
        "nights": len(earlier) + 1,
        "small_charts": {
            title: columns(_columns(name, earlier, night), f"{title} by night")
            for name, title in COUNT_TITLES.items()
            if night.extracts or name != "extracted"
        },
        "shares": shares_chart(
            _shown_rows(rows),
            has_before=is_compared,
            description="Videos by top label",
            videos=labels.videos if labels else 0,
        ),
        "confidences": score_columns(labels.confidences, "Videos by the score of their top label") if labels else "",
        "marked": [row for row in rows if row.is_marked] if is_compared else [],
        "new_labels": sorted(drift.new, key=lambda row: (-row.count, row.index)) if drift else [],
        "vanished_labels": sorted(drift.vanished, key=lambda row: (-row.expected, row.index))
        if drift and is_compared
        else [],
        "shown_classes": SHOWN_CLASSES,
        "class_rows": _class_rows(labels, rows, has_before=is_compared) if labels else [],
        "least_confident": _figures(labels.least_sure, pictures, context) if labels else [],
        "least_confident_csv": csv_link(
            ("id", "uri", "label", "score"),
            ((video.id, context.videos.get(video.id, ""), video.name, video.score) for video in labels.least_sure),
        )
        if labels
        else "",
        "samples": _samples(labels, pictures, context) if labels else [],
        "colours": COLOURS,
        "timelines": _timelines(labels, pictures, context) if labels else [],
        "mended": _mended(night, earlier, mended),
        "failure_kinds": failure_kinds(night.failures_by_code, night.failures),
        "failures": failure_rows(failures),
        "command": [shlex.quote(word) for word in last.command],
        "hours": {
            "Core-hours reserved": (_hours(cost.held_core_seconds), _hours(cost.held_core_seconds * per_thousand)),
            "Core-hours used": (_hours(cost.used_core_seconds), _hours(cost.used_core_seconds * per_thousand)),
            "GPU-hours reserved": (_hours(cost.gpu_seconds), _hours(cost.gpu_seconds * per_thousand)),
        },
        "times": {
            **({"Extraction": cost.extraction_seconds} if night.extracts else {}),
            "Scoring": cost.scoring_seconds,
            "Wall time": night.wall_seconds,
        },
        "sizes": {
            **({"Video read": cost.bytes_read} if night.extracts else {}),
            f"{'Features and labels' if night.extracts else 'Labels'} written": cost.bytes_written,
        },
        "per_thousand": per_thousand,
        "changed": changed_options(night.configuration, context.unchanged),
        "tables": {
            "Model": settings_table({"model": night.model, "checkpoint": " ".join(night.checkpoint)}),
            FINGERPRINTS[night.extracts, night.labels_of]: settings_table(night.fingerprint),
            "Configuration": settings_table(night.configuration),
            "Versions": settings_table(night.versions),
            "Machine": settings_table(vars(last.machine)),
        },
    }


def _is_compared(night: NightRecord, earlier: Sequence[NightRecord]) -> bool:
    """Whether there are enough videos for shares and their standard errors."""
    if night.drift is None or night.labels is None:
        return False
    before = sum(each.labels.videos for each in earlier if each.labels is not None and each.date in night.drift.nights)
    return min(night.labels.videos, before) >= numbers.FEW


def _mended(
    night: NightRecord, earlier: Sequence[NightRecord], mended: Collection[str]
) -> list[tuple[str, FailureNote]]:
    """The failures that are mended, with the last day on which they were noted."""
    notes = {note.id: (each.date, note) for each in (*earlier, night) for note in each.failures}
    return [found for name, found in sorted(notes.items()) if name in mended]


def _columns(name: str, earlier: Sequence[NightRecord], night: NightRecord) -> list[Bar | str]:
    """A column for each night, and a gap for each day without one."""
    drawn: list[Bar | str] = []
    nights = (*earlier, night)
    days = [date.fromisoformat(each.date) for each in nights]
    for each, day, before in zip(nights, days, (days[0], *days), strict=False):
        drawn += _gap(before, day)
        value = _count(each.counts, name)
        style = ("bad" if name == "failed" else "fill") if each is night else "muted"
        drawn.append(Bar(label=str(day.day), value=value, text=numbers.short_count_text(value), style=style))
    return drawn


def _gap(before: date, after: date) -> list[str]:
    """Labels of the days between two nights."""
    days = (after - before).days - 1
    if days > LONGEST_GAP:
        return ["", "…", ""]
    return [str((before + timedelta(number + 1)).day) for number in range(days)]


def _count(counts: NightCounts, name: str) -> int:
    value: int = getattr(counts, name)
    return value


def _rows(night: NightRecord) -> list[ClassDrift]:
    """All classes of tonight and of previous nights, the most frequent first."""
    if night.drift is not None:
        found = list(night.drift.classes)
    elif night.labels is not None:
        found = [
            ClassDrift(
                index=entry.index,
                name=entry.name,
                count=entry.first,
                expected=0.0,
                share=night.labels.share(entry.first),
                share_before=0.0,
                error=0.0,
            )
            for entry in night.labels.classes
            if entry.first
        ]
    else:
        found = []
    return sorted(found, key=lambda row: (-row.count, -row.expected, row.index))


def _shown_rows(rows: Sequence[ClassDrift]) -> list[ClassDrift]:
    """The most frequent classes, and of the others those that changed most."""
    marked = sorted((row for row in rows[SHOWN_CLASSES // 2 :] if row.is_marked), key=lambda row: -abs(row.difference))
    chosen = {row.index for row in marked[: SHOWN_CLASSES // 2]}
    for row in rows:
        if len(chosen) < SHOWN_CLASSES:
            chosen.add(row.index)
    return [row for row in rows if row.index in chosen]


def _class_rows(labels: LabelStatistics, rows: Sequence[ClassDrift], *, has_before: bool) -> list[dict[str, Any]]:
    known = {entry.index: entry for entry in labels.classes}
    return [
        {
            "row": row,
            "above_threshold": known[row.index].sure if row.index in known else 0,
            "mean_score": known[row.index].mean_score if row.index in known else None,
            "points": points_text(row) if has_before else "",
        }
        for row in rows[:LISTED_CLASSES]
    ]


def _figures(
    videos: Sequence[LabelledVideo], pictures: Mapping[str, Thumbnail], context: PageContext
) -> list[dict[str, Any]]:
    return [
        {"video": video, "uri": context.videos.get(video.id, ""), "jpeg": jpeg_text(pictures.get(video.id))}
        for video in videos
    ]


def _timelines(
    labels: LabelStatistics, pictures: Mapping[str, Thumbnail], context: PageContext
) -> list[dict[str, Any]]:
    return [
        {**one, "uri": context.videos.get(one["id"], ""), "jpeg": jpeg_text(pictures.get(one["id"]))}
        for one in timeline_figures(labels.timelines)
    ]


def _samples(labels: LabelStatistics, pictures: Mapping[str, Thumbnail], context: PageContext) -> list[dict[str, Any]]:
    """Samples by label, in the order of the record."""
    groups: dict[int, list[LabelledVideo]] = {}
    for video in labels.samples:
        groups.setdefault(video.index, []).append(video)
    counts = {entry.index: entry.first for entry in labels.classes}
    return [
        {"name": videos[0].name, "count": counts[index], "figures": _figures(videos, pictures, context)}
        for index, videos in groups.items()
    ]


def _hours(seconds: float) -> str:
    return "< 0.001" if 0 < seconds < 3.6 else numbers.rate_text(seconds / 3600)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
