"""Text that may be logged and kept: URIs in it without their passwords and signatures.

In: any text. Out: the same text, where `user:password@` of a URI and the query of an http address (which is where
presigned URLs carry their signature) are replaced by `***`.
"""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]+@")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]*\?)[^\s'\"<>]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` without secrets."""
    return _QUERY.sub(r"\1***", _CREDENTIALS.sub("***@", text))
