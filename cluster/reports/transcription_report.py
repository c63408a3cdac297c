"""The report of a transcription run: its outcomes, samples of transcripts with previews, failures and configuration.

In: a `TranscriptionRecord`, some of its transcripts, and what else the page shows (`cluster.reports.context`). Out: the
text of a self-contained HTML file (`cluster.reports.pages`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.reports.charts.bars import stages_chart, strip
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.failures import failure_kinds, failure_rows, retry_command
from cluster.reports.outcomes import outcome_bars
from cluster.reports.pages import changed_options, render_page, settings_table
from cluster.reports.read_sentence import sentence_row
from schemas.transcriptions import TranscriptionRecord

HEADINGS = {
    "completed": "Transcription completed",
    "interrupted": "Transcription was interrupted",
    "failed": "Transcription failed",
    "died": "Transcription was killed",
}


@dataclass(frozen=True, kw_only=True)
class TranscriptSample:
    """What was read in a video; `text` is what is said in it, empty where unknown. `preview` is an animation."""

    id: str
    uri: str
    text: str
    read: str
    score: float
    preview: bytes | None


def render_transcription_report(
    record: TranscriptionRecord, samples: Sequence[TranscriptSample] = (), context: PageContext = NOTHING
) -> str:
    """The page of a run."""
    return render_page("transcription.html", _content(record, samples, context), context)


def _content(record: TranscriptionRecord, samples: Sequence[TranscriptSample], context: PageContext) -> dict[str, Any]:
    """The variables of the template."""
    counts = record.counts
    outcomes = outcome_bars(counts, counts.transcribed, "transcribed", counts.already_done + counts.failed_before)
    return {
        "record": record,
        "counts": counts,
        "title": HEADINGS[record.status],
        "is_partial": bool(counts.failed or counts.unaccounted),
        "wall_seconds": record.wall_seconds,
        "outcomes": outcomes,
        "outcomes_strip": strip(outcomes, "Outcomes of all videos"),
        "samples": [
            {**sentence_row(one.id, one.uri, one.text, one.read, one.preview), "score": one.score} for one in samples
        ],
        "has_texts": any(one.text for one in samples),
        "stages_chart": stages_chart(record.seconds_by_stage),
        "failure_kinds": failure_kinds(record.failures_by_code, record.failures),
        "failures": failure_rows(record.failures),
        "command": [shlex.quote(word) for word in record.command],
        "retry_command": retry_command(record.command, record.failures_by_code),
        "changed": changed_options(record.configuration, context.unchanged),
        "tables": {
            "Configuration": settings_table(record.configuration),
            "Fingerprint of the transcripts": settings_table(record.fingerprint),
            "Versions": settings_table(record.versions),
            "Machine": settings_table(vars(record.machine)),
        },
    }
