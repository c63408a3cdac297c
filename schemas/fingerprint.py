"""The fingerprint of features: how they were made, as text by name, in the metadata of every feature shard.

Two fingerprints are equal or not: none of their parts is implied. A part that a later release adds is left out where it
has the value that all features before it had, as `code_range` is, so that no older dataset is disowned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from schemas import strict_json

KEY = "framemill.fingerprint"


def fingerprint_metadata(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a shard that hold the fingerprint."""
    return {KEY: fingerprint_text(fingerprint)}


def fingerprint_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """The fingerprint in a shard's metadata, empty where there is none; raises `ValueError` for an invalid one."""
    return parse_fingerprint((metadata or {}).get(KEY.encode(), b"{}"))


def fingerprint_text(fingerprint: Mapping[str, str]) -> str:
    """A JSON object, equal for equal fingerprints."""
    return json.dumps(dict(fingerprint), sort_keys=True)


def parse_fingerprint(text: bytes) -> dict[str, str]:
    """Read what `fingerprint_text` wrote. Raises `ValueError` for anything else."""
    found = strict_json.parse(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"a fingerprint is a JSON object of texts, not {text.decode()[:80]}")
    return found
