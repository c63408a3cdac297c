"""Redaction of passwords, signatures and keys, for text that is logged or stored.

In: any text. Out: the same text with `***` for `user:password@` in a URI, the query of an http address (where presigned
URLs carry their signature), secret parameters of other addresses, access tokens and AWS keys.
"""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]+@")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]*\?)[^\s'\"<>]+", re.IGNORECASE)
_PARAMETERS = re.compile(
    r"([?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|sig|signature|(?:access_)?token|password|key)=)"
    r"[^\s&'\"<>]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bBearer\s+)[\w.~+/=-]+", re.IGNORECASE)
_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")
_NAMED_KEY = re.compile(r"((?:secret_?access_?key|session_?token)['\"]?\s*[=:]\s*['\"]?)[\w/+=]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` without secrets."""
    text = _CREDENTIALS.sub("***@", text)
    for named in (_QUERY, _PARAMETERS, _BEARER, _NAMED_KEY):
        text = named.sub(r"\1***", text)
    return _KEY_ID.sub("***", text)
