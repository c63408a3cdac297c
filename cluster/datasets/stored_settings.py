"""The settings that the shards of a feature dataset were made with, and how those of a run differ from them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

import pyarrow as pa

from cluster.datasets.folder import DatasetError, stored_parquet
from cluster.storage import files
from cluster.storage.parquet import open_parquet
from schemas.features import with_wide_codes
from schemas.fingerprint import fingerprint_of

FRAME_FEATURES = "--frame-features"
_HASH = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]+")


def stored_schema(root: str) -> pa.Schema | None:
    """The schema of the feature shards at `root`, with their metadata; None where there is none yet.

    Raises:
        DatasetError: for a file that is no feature shard.
    """
    gone = ""
    while (first := next(stored_parquet(files.join(root, "features")), None)) is not None:
        try:
            with open_parquet(first.uri) as parquet:
                schema = parquet.schema_arrow
            fingerprint_of(schema.metadata)
        except FileNotFoundError:
            if first.uri == gone:  # a link to nothing
                raise
            gone = first.uri  # by a compaction
            continue
        except ValueError as error:  # Arrow's errors are among them
            message = f"{first.uri} is no feature shard: {error}\nMove it away, or write to another place"
            raise DatasetError(message) from error
        return schema
    return None


def schema_beside(stored: pa.Schema, schema: pa.Schema) -> pa.Schema:
    """The schema of new shards: a dataset that was begun without the newer columns goes on without them."""
    begun = pa.schema([field for field in schema if field.name in stored.names or not field.nullable])
    return begun if with_wide_codes(stored).remove_metadata() == begun else schema


def differences(
    stored: pa.Schema,
    schema: pa.Schema,
    fingerprint: Mapping[str, str],
    unknown: Collection[str],
    option_of: Mapping[str, str],
) -> list[str]:
    """How a run's schema and fingerprint differ from those of stored shards, a line each.

    `unknown` and `option_of` as in `other_settings`.
    """
    there, here = settings_of(stored, fingerprint_of(stored.metadata)), settings_of(schema, fingerprint)
    found = other_settings(there, here, unknown, option_of)
    if not found and with_wide_codes(stored).remove_metadata() != schema:
        found.append(f"columns: {', '.join(stored.names)} there, {', '.join(schema.names)} here")
    return found


def settings_of(schema: pa.Schema, fingerprint: Mapping[str, str]) -> dict[str, str]:
    """All that a run's options decide of its shards: the fingerprint, and whether there are codes of frames."""
    return {**fingerprint, FRAME_FEATURES: "yes" if "rgb" in schema.names else "no"}


def other_settings(
    stored: Mapping[str, str], settings: Mapping[str, str], unknown: Collection[str], option_of: Mapping[str, str]
) -> list[str]:
    """How a run's settings differ from those that a dataset was begun with, a line each.

    unknown    parts of the fingerprint that are not known yet, and not compared
    option_of  the options that its parts follow from
    """
    there, here = _parts(stored), _parts(settings)
    found = [
        f"{option_of.get(part, part)}: {_shown(there, part)} there, {_shown(here, part)} here"
        for part in sorted({*there, *here} - {*unknown})
        if there.get(part) != here.get(part)
    ]
    return list(dict.fromkeys(found))


def _parts(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """The parts of a fingerprint; those that are JSON objects, value by value."""
    parts: dict[str, str] = {}
    for part, text in fingerprint.items():
        inner = json.loads(text) if text.startswith("{") else None
        parts |= {part: text} if inner is None else {f"{part}.{name}": str(value) for name, value in inner.items()}
    return parts


def _shown(fingerprint: Mapping[str, str], part: str) -> str:
    return _HASH.sub(r"\1…", fingerprint.get(part, "not set"))
