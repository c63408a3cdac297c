"""Run report: one HTML page that tells a person what a run did and what there is to do next.

In: a `RunRecord`.
Out: the text of one self-contained file: no script, no font, no picture from elsewhere, and a content security policy
that would not let any in. Ids, paths and messages come from outside and are data: jinja2 escapes them, and what cannot
be seen (control characters, lone surrogates, marks that turn the direction of text) is spelt out.
"""

import json
import shlex
import unicodedata
from collections.abc import Mapping
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from cluster import quantities
from cluster.charts import Part, bars, histogram, line_chart, strip
from schemas.outcomes import FailureCode
from schemas.runs import FailureNote, RunRecord, ThroughputPoint

MOST_INTERVALS = 80  # of the line over time; more than that is noise at the width of a page
FAILURES_IN_SIGHT = 6  # the others fold away
LONGEST_CAPTION = 44  # characters below a picture

ADVICE: dict[FailureCode, str] = {
    FailureCode.MISSING: "The manifest names a file that is not there. Correct the path or upload it, then retry.",
    FailureCode.NO_PERMISSION: "Grant the workers' account read access to these objects, then retry.",
    FailureCode.EMPTY: "The file has no bytes: upload it again, then retry.",
    FailureCode.NOT_MEDIA: "Not a video, or its index is lost. Replace the file or take it out of the manifest.",
    FailureCode.TRUNCATED: "The file ends too early, as after a broken upload. Upload it again, then retry.",
    FailureCode.DAMAGED: "Less than half of it can be decoded. Bring another copy of the file, then retry.",
    FailureCode.NO_VIDEO_STREAM: "Sound without a picture. Take it out of the manifest.",
    FailureCode.UNSUPPORTED_CODEC: "This build has no decoder for it. Convert the file, for example to H.264.",
    FailureCode.NO_DECODABLE_FRAME: "The stream is damaged throughout. Replace the file or leave it out.",
    FailureCode.ENCRYPTED: "Protected content cannot be read. Provide an unprotected copy.",
    FailureCode.ABSURD_DIMENSIONS: "Larger than the limit. If the size is meant, raise the limit and retry.",
    FailureCode.TIME_LIMIT: "Decoding hung or took too long. If the file is sound, raise the time limit and retry.",
    FailureCode.MEMORY_LIMIT: "Decoding needed too much memory. If the file is sound, raise the limit and retry.",
    FailureCode.WORKER_DIED: "The decoder crashed on it, more than once. Convert the file, or leave it out.",
    FailureCode.STORAGE: "Storage did not answer after several attempts. Nothing is wrong with the video: retry.",
    FailureCode.INTERNAL: "An error of ours. Retry once; if it stays, report it together with the message.",
}
STATUS_WORDS = {
    "running": "Extraction is running",
    "completed": "Extraction completed",
    "interrupted": "Extraction was interrupted",
    "failed": "Extraction failed",
    "died": "Extraction was killed",
}
# Explicit marks of direction: they could make an id read as another one.
_DIRECTION_MARKS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)}


def render_run_report(record: RunRecord) -> str:
    """Write the page for one run."""
    page = _environment().get_template("run_report.html").render(_content(record))
    return page if page.endswith("\n") else page + "\n"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cluster"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": quantities.count_text,
        "rate": quantities.rate_text,
        "duration": quantities.duration_text,
        "size": quantities.size_text,
        "shorten": _shorten,
    }
    return environment


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
        "stages_chart": _stages_chart(record.seconds_by_stage),
        "durations_chart": (
            histogram(record.durations.edges_seconds, record.durations.counts, "Videos by length")
            if any(record.durations.counts)
            else None
        ),
        "failure_kinds": _failure_kinds(record),
        "failures_in_sight": record.failures[:FAILURES_IN_SIGHT],
        "failures_folded": record.failures[FAILURES_IN_SIGHT:],
        "command": [shlex.quote(word) for word in record.command],
        "retry_command": _retry_command(record.command),
        "tables": {
            "Configuration": _table(record.configuration),
            "Fingerprint of the features": _table(record.fingerprint),
            "Versions": _table(record.versions),
            "Machine": _table(vars(record.machine)),
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
        Part(label=label, value=value, text=quantities.count_text(value), style=style)
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


def _stages_chart(seconds_by_stage: Mapping[str, float]) -> Markup | None:
    total = sum(seconds_by_stage.values())
    if total == 0:
        return None
    parts = [
        Part(
            label=_seen(stage),
            value=seconds,
            text=f"{quantities.duration_text(seconds)} · {quantities.share_text(seconds, total)}",
        )
        for stage, seconds in sorted(seconds_by_stage.items(), key=lambda item: (-item[1], item[0]))
    ]
    return bars(parts, "Seconds by stage")


def _failure_kinds(record: RunRecord) -> list[dict[str, Any]]:
    """One row a code, the most frequent first, with a message as an example and what to do."""
    kinds = []
    for code, count in sorted(record.failures_by_code.items(), key=lambda item: (-item[1], item[0])):
        example: FailureNote | None = next((note for note in record.failures if note.code == code), None)
        kinds.append(
            {
                "code": code,
                "count": count,
                "share": quantities.share_text(count, record.counts.failed),
                "message": example.message if example else "The failure shards hold the messages.",
                "advice": ADVICE[FailureCode(code)] if code in set(FailureCode) else "See the messages below.",
            }
        )
    return kinds


def _retry_command(command: tuple[str, ...]) -> list[str]:
    words = command if "--retry-failed" in command else (*command, "--retry-failed")
    return [shlex.quote(word) for word in words]


def _table(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    def told(value: Any) -> str:
        if value is None or value == "":
            return "–"
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return [(key, told(value)) for key, value in sorted(values.items())]


def _shorten(text: str) -> str:
    """Leave out the middle of a long id: videos of one folder differ at the end."""
    return text if len(text) <= LONGEST_CAPTION else f"{text[:12]}…{text[13 - LONGEST_CAPTION :]}"


def _seen(value: Any) -> Any:
    """Spell out the characters of a text that have no shape of their own; what is markup already stays as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(_spelt(character) for character in value)


def _spelt(character: str) -> str:
    if character in "\n\t":
        return character
    if unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTION_MARKS:
        return character.encode("unicode_escape").decode("ascii")
    return character
