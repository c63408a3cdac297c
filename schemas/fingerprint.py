"""The fingerprint of features: how they were made, as text by name, in the metadata of every feature shard."""

from __future__ import annotations

import json
from collections.abc import Mapping

KEY = "framemill.fingerprint"


def fingerprint_metadata(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """What a shard's metadata say of it."""
    return {KEY: fingerprint_text(fingerprint)}


def fingerprint_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """What a shard's metadata say, nothing where they do not; raises `ValueError` for what is no fingerprint."""
    return parse_fingerprint((metadata or {}).get(KEY.encode(), b"{}"))


def fingerprint_text(fingerprint: Mapping[str, str]) -> str:
    """A JSON object, equal for equal fingerprints."""
    return json.dumps(dict(fingerprint), sort_keys=True)


def parse_fingerprint(text: bytes) -> dict[str, str]:
    """What `fingerprint_text` wrote. Raises `ValueError`."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"a fingerprint is a JSON object of texts, not {text.decode()[:80]}")
    return found
