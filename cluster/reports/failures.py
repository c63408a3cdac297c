"""Failures by code, each with an example and advice, for reports.

In: failures of a record. Out: rows for the templates.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.reports import numbers
from cluster.reports.csv_link import csv_link
from schemas.outcomes import RETRY_HELPS, FailureCode, Stage
from schemas.runs import FailureNote

ADVICE: dict[FailureCode, str] = {
    FailureCode.MISSING: "The manifest names a file that does not exist. Correct the path or upload it, then retry.",
    FailureCode.NO_PERMISSION: "Grant the workers' account read access to these objects, then retry.",
    FailureCode.EMPTY: "The file is empty. Upload it again, then retry.",
    FailureCode.NOT_MEDIA: "Not a video, or its index is missing. Replace the file or remove it from the manifest.",
    FailureCode.TRUNCATED: "The file is truncated, as after an interrupted upload. Upload it again, then retry.",
    FailureCode.DAMAGED: "Less than half of it can be decoded. Provide another copy of the file, then retry.",
    FailureCode.NO_VIDEO_STREAM: "Audio without video. Remove it from the manifest.",
    FailureCode.UNSUPPORTED_CODEC: "This build has no decoder for it. Convert the file, for example to H.264.",
    FailureCode.NO_DECODABLE_FRAME: "The stream is damaged throughout. Replace the file or leave it out.",
    FailureCode.ENCRYPTED: "Protected content cannot be read. Provide an unprotected copy.",
    FailureCode.NO_FACE: "Lip reading needs the speaker's face. Replace the video or remove it from the manifest.",
    FailureCode.ABSURD_DIMENSIONS: "Larger than the limit. If the size is intended, raise the limit and retry.",
    FailureCode.TOO_LONG: "More grid points than the limit. If the length is real, raise the limit and retry.",
    FailureCode.COPY_LIMIT: "Too large or slow to copy. Take a server that sends ranges, or raise the limit.",
    FailureCode.TIME_LIMIT: "Decoding hung or took too long. If the file is intact, raise the time limit and retry.",
    FailureCode.MEMORY_LIMIT: "Decoding needed too much memory. If the file is intact, raise the limit and retry.",
    FailureCode.WORKER_DIED: "The decoder crashed on it repeatedly. Convert the file or leave it out.",
    FailureCode.STORAGE: "Storage did not respond after several attempts. The video is not at fault: retry.",
    FailureCode.INTERNAL: "An internal error. Retry once; if it persists, report it with the message.",
}


STAGES: dict[str, str] = {
    Stage.READ: "while reading",
    Stage.DECODE: "while decoding",
    Stage.WRITE: "while writing its features",
}
COLUMNS = ("id", "uri", "code", "stage", "message", "attempts")  # of the CSV file


def failure_rows(failures: Sequence[FailureNote]) -> dict[str, Any]:
    """The table of failed videos: its rows, and the same as a CSV file."""
    return {
        "rows": [{"note": note, "stage": STAGES.get(note.stage, note.stage)} for note in failures],
        "csv": csv_link(COLUMNS, ([getattr(note, name) for name in COLUMNS] for note in failures)),
    }


def failure_kinds(failures_by_code: Mapping[str, int], failures: Sequence[FailureNote]) -> list[dict[str, Any]]:
    """A row per code, the most frequent first, with an example message and advice; of many failures, with its share."""
    kinds, total = [], sum(failures_by_code.values())
    for code, count in sorted(failures_by_code.items(), key=lambda item: (-item[1], item[0])):
        example: FailureNote | None = next((note for note in failures if note.code == code), None)
        kinds.append(
            {
                "code": code,
                "count": count,
                "share": numbers.share_text(count, total) if total >= numbers.FEW else "",
                "message": example.message if example else "The failure shards hold the messages.",
                "advice": ADVICE[FailureCode(code)] if code in set(FailureCode) else "See the messages below.",
            }
        )
    return kinds


def retry_command(command: Sequence[str], failures_by_code: Mapping[str, int]) -> list[str]:
    """The command that tries again what another attempt may mend; empty where there is nothing of the kind."""
    codes = sorted(failures_by_code.keys() & RETRY_HELPS.keys())
    if not codes or not command:
        return []
    words = command if "--retry-failed" in command else (*command, "--retry-failed", *codes)
    return [shlex.quote(word) for word in words]
