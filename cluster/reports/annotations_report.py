"""The page of a cutting run: clips by class, their lengths, each recording over time, and what was refused.

In: a `CuttingRecord`, the `VideoCuts` of its videos, and what else the page shows (`cluster.reports.context`). Out: the
text of a self-contained HTML file (`cluster.reports.pages`). Lists are bounded; those that are cut off say so.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from typing_extensions import override

from cluster.reports import numbers
from cluster.reports.charts.bars import Bar, bar_chart, histogram, stages_chart
from cluster.reports.charts.colours import COLOURS, OTHERS
from cluster.reports.charts.timeline_strip import Segment, timeline_strip
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.csv_link import csv_link
from cluster.reports.failures import failure_kinds, failure_rows
from cluster.reports.pages import changed_options, escape_invisible, render_page, settings_table
from schemas.cuttings import CutClip, CuttingRecord, Finding, FindingCode, VideoCuts
from schemas.text import counted
from schemas.videos import MICROSECONDS

MAX_BARS = 30  # classes in the chart
MAX_FINDINGS = 500  # rows of each table
MAX_RECORDINGS = 40
MAX_LANES = 6
NAMED = len(COLOURS) - 1  # classes that have a colour of their own
TOLD = 8  # clips in a text alternative
EDGES_SECONDS = (0, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800)
SPLITS = ("train", "validation", "test", "")
FINDING_COLUMNS = ("video", "label", "source", "code", "message")

HEADINGS = {
    "running": "Cutting is running",
    "completed": "",
    "interrupted": "Cutting was interrupted",
    "failed": "Cutting failed",
    "died": "Cutting was killed",
}
# What each code means, as a heading of its findings.
MEANINGS: dict[str, str] = {
    FindingCode.NO_LABEL: "No class is named",
    FindingCode.NO_LENGTH: "It has no length",
    FindingCode.OUTSIDE: "It lies outside the video",
    FindingCode.NO_FRAME: "It is shorter than a frame",
    FindingCode.DUPLICATE: "It is there more than once",
    FindingCode.NOT_CUT: "Its file could not be cut",
    FindingCode.NO_RECORD: "Its record could not be written",
    FindingCode.NO_VIDEO: "No such video",
    FindingCode.AMBIGUOUS: "Several videos fit the name",
    FindingCode.SHORTENED: "It went beyond the video, and was shortened",
    FindingCode.OVERLAP: "Clips overlap",
    FindingCode.NESTING: "Clips lie within others",
    FindingCode.OTHER_RATE: "Another frame rate",
    FindingCode.OTHER_LENGTH: "Another length",
    FindingCode.DAMAGED: "The video is damaged",
    FindingCode.SEVERAL_ENTRIES: "Several entries for a video",
    FindingCode.SPELLINGS: "Labels that differ by case or blanks",
    FindingCode.OTHER_SPLIT: "Several splits are named",
    FindingCode.NO_SPLIT: "No split is named",
    FindingCode.NO_ANNOTATION: "Videos without annotation",
}


@dataclass(frozen=True, kw_only=True)
class _Annotated(Segment):
    """A clip in the strip of its recording."""

    @property
    @override
    def title(self) -> str:
        return f"{escape_invisible(self.name)}: {self.times}"


def render_annotations_report(record: CuttingRecord, cuts: Sequence[VideoCuts], context: PageContext = NOTHING) -> str:
    """The page of a run."""
    return render_page("annotations.html", _content(record, cuts, context), context)


def _content(record: CuttingRecord, cuts: Sequence[VideoCuts], context: PageContext) -> dict[str, Any]:
    """The variables of the template."""
    clips = [clip for one in cuts if one.cut for clip in one.cut.clips]
    findings = [*record.findings, *(finding for one in cuts if one.cut for finding in one.cut.findings)]
    refused = [finding for finding in findings if finding.is_refusal]
    reported = [finding for finding in findings if not finding.is_refusal]
    ranked = sorted(record.clips_by_class.items(), key=lambda item: (-item[1], item[0]))
    styles = {label: f"hue-{place}" for place, (label, _) in enumerate(ranked[:NAMED], 1)}
    shown = [one for one in cuts if one.cut and one.cut.clips][:MAX_RECORDINGS]
    recordings = sum(one.cut is not None and bool(one.cut.clips) for one in cuts)
    return {
        "record": record,
        "counts": record.counts,
        "title": HEADINGS[record.status] or _title(record),
        "is_partial": bool(record.counts.failed or record.counts.refused),
        "recordings": recordings,
        "classes_chart": _classes_chart(ranked),
        "more_classes": max(len(ranked) - MAX_BARS, 0),
        "lengths_chart": _lengths_chart(clips),
        "length_texts": _length_texts(clips),
        "splits": _splits(clips, [label for label, _ in ranked]),
        "refused": _findings(refused),
        "reported": _findings(reported),
        "legend": [(style, label) for label, style in styles.items()] + _others(len(ranked)),
        "timelines": [_figure(one, styles) for one in shown],
        "more_recordings": recordings - len(shown),
        "colours": COLOURS,
        "failure_kinds": failure_kinds(record.failures_by_code, record.failures),
        "failures": failure_rows(record.failures),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "command": [shlex.quote(word) for word in record.command],
        "changed": changed_options(record.configuration, context.unchanged),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
    }


def _title(record: CuttingRecord) -> str:
    clips, classes = record.counts.clips, len(record.clips_by_class)
    return f"{counted(clips, 'clip')} of {counted(classes, 'class')}"


def _classes_chart(ranked: Sequence[tuple[str, int]]) -> Markup | None:
    bars = [
        Bar(label=escape_invisible(label), value=count, text=numbers.count_text(count))
        for label, count in ranked[:MAX_BARS]
    ]
    return bar_chart(bars, "Clips by class", has_long_labels=True) if bars else None


def _seconds(clip: CutClip) -> float:
    return (clip.end_microseconds - clip.start_microseconds) / MICROSECONDS


def _lengths_chart(clips: Sequence[CutClip]) -> Markup | None:
    if not clips:
        return None
    counts = np.histogram([_seconds(clip) for clip in clips], [*EDGES_SECONDS, np.inf])[0]
    return histogram(EDGES_SECONDS, counts.tolist(), "Clips by length")


def _length_texts(clips: Sequence[CutClip]) -> tuple[str, str, str] | None:
    """The shortest, the median and the longest length."""
    lengths = sorted(map(_seconds, clips))
    if not lengths:
        return None
    shortest, middle, longest = map(numbers.duration_text, (lengths[0], lengths[len(lengths) // 2], lengths[-1]))
    return shortest, middle, longest


def _splits(clips: Sequence[CutClip], labels: Sequence[str]) -> dict[str, Any] | None:
    """A table of clips by class and split; None where no clip is in a split."""
    counts = Counter((label, clip.split) for clip in clips for label in clip.labels)
    used = [split for split in SPLITS if any(clip.split == split for clip in clips)]
    if not any(used):
        return None
    groups = {split: len({clip.group for clip in clips if clip.split == split}) for split in used}
    rows = [(label, [counts[label, split] for split in used]) for label in labels]
    return {
        "names": [split or "none" for split in used],
        "groups": [groups[split] for split in used],
        "totals": [sum(clip.split == split for clip in clips) for split in used],
        "rows": rows[:MAX_FINDINGS],
        "csv": csv_link(["class", *(split or "none" for split in used)], ([label, *row] for label, row in rows)),
    }


def _findings(findings: Sequence[Finding]) -> dict[str, Any]:
    """The table of findings: counts by code, its first rows, and all of them as a CSV file."""
    counts = Counter(finding.code for finding in findings)
    return {
        "total": len(findings),
        "kinds": [(MEANINGS.get(code, code), count) for code, count in counts.most_common()],
        "rows": [(finding, MEANINGS.get(finding.code, finding.code)) for finding in findings[:MAX_FINDINGS]],
        "csv": csv_link(FINDING_COLUMNS, ([getattr(one, name) for name in FINDING_COLUMNS] for one in findings)),
    }


def _others(classes: int) -> list[tuple[str, str]]:
    rest = classes - NAMED
    return [(OTHERS, counted(rest, "other class"))] if rest > 0 else []


def _figure(cuts: VideoCuts, styles: dict[str, str]) -> dict[str, Any]:
    """A strip with the clips of a recording."""
    cut = cuts.cut
    assert cut is not None
    clips = sorted(cut.clips, key=lambda clip: (clip.start_microseconds, -clip.end_microseconds))
    events = [
        _Annotated(
            start_seconds=clip.start_microseconds / MICROSECONDS,
            end_seconds=clip.end_microseconds / MICROSECONDS,
            name="; ".join(clip.labels),
            score=1.0,
            style=styles.get(clip.labels[0], OTHERS),
        )
        for clip in clips
    ]
    told = "; ".join(event.title for event in events[:TOLD]) + ("; …" if len(events) > TOLD else "")
    length = numbers.duration_text(cut.duration_seconds)
    chart, undrawn = timeline_strip(
        None,
        events,
        cut.duration_seconds,
        f"Clips of {escape_invisible(cuts.id)}, {length}: {told}",
        max_lanes=MAX_LANES,
    )
    rate = f"{cut.rate:.5g} frames/s" + (" on average, variable" if cut.is_variable else "")
    return {
        "id": cuts.id,
        "uri": cuts.uri,
        "about": f"{length} · {rate} · {counted(len(clips), 'clip')}",
        "chart": chart,
        "undrawn": undrawn,
    }
