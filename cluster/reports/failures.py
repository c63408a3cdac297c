"""Failures by code, each with advice, as reports show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.reports import numbers
from schemas.outcomes import FailureCode
from schemas.runs import FailureNote

FAILURES_IN_SIGHT = 6  # the others fold away


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


def failure_kinds(failures_by_code: Mapping[str, int], failures: Sequence[FailureNote]) -> list[dict[str, Any]]:
    """One row a code, the most frequent first, with a message as an example and what to do."""
    kinds = []
    for code, count in sorted(failures_by_code.items(), key=lambda item: (-item[1], item[0])):
        example: FailureNote | None = next((note for note in failures if note.code == code), None)
        kinds.append(
            {
                "code": code,
                "count": count,
                "share": numbers.share_text(count, sum(failures_by_code.values())),
                "message": example.message if example else "The failure shards hold the messages.",
                "advice": ADVICE[FailureCode(code)] if code in set(FailureCode) else "See the messages below.",
            }
        )
    return kinds
