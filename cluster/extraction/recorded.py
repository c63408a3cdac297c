"""The settings that the features of a dataset were extracted with, as options of the job.

In: the place of the dataset. Out: values by the names of the options' fields, none where there is no row yet. Most
follow from the fingerprint in the shards. It identifies weights by a hash: their names are in the record of the run
that wrote the shard, or belong to published files with that hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.datasets.folder import RUNS
from cluster.datasets.stored_settings import stored_schema
from cluster.runs.option import spelled
from cluster.storage import files
from cluster.storage.redaction import MASK
from extractors.weights.weight_sets import WEIGHT_SETS, Kind
from schemas import strict_json
from schemas.errors import InputError
from schemas.fingerprint import fingerprint_of
from schemas.numerals import natural_number_of

# Parts of the fingerprint, and the options that they follow from.
OPTION_OF = {
    "sampling.fps": "fps",
    "sampling.max_seconds": "max_seconds",
    "sampling.mode": "sampling",
    "frames.weights": "weights",
    "frames.pca": "pca",
    "frames.precision": "precision",
    "sound.weights": "audio_weights",
    "sound.pca": "audio_pca",
}
# Those parts that identify weights.
PART_OF: Mapping[Kind, str] = {
    "frames": "frames.weights",
    "frame-pca": "frames.pca",
    "sound": "sound.weights",
    "sound-pca": "sound.pca",
}
WHOLE = "all"  # of `sampling.max_seconds`
HASH = "sha256:"


def recorded_settings(root: str) -> dict[str, Any]:
    """The settings of the features at `root`. Raises `InputError` or `OSError` where they cannot be read."""
    schema = stored_schema(root)
    if schema is None:
        return {}
    metadata = schema.metadata or {}
    fingerprint = fingerprint_of(metadata)
    settings: dict[str, Any] = {OPTION_OF[part]: value for part, value in fingerprint.items() if part in OPTION_OF}
    settings["frame_features"] = "rgb" in schema.names
    if "max_seconds" in settings:
        seconds = settings["max_seconds"]
        settings["max_seconds"] = None if seconds == WHOLE else natural_number_of(seconds)
        if settings["max_seconds"] is None and seconds != WHOLE:
            raise InputError(f"{root} has features of {seconds!r} seconds (sampling.max_seconds), which is no number")
    configuration = _configuration(root, metadata.get(b"framemill.run_id", b"").decode())
    for part in PART_OF.values():
        if fingerprint.get(part, "").startswith(HASH):
            settings[OPTION_OF[part]] = _named(root, part, fingerprint[part], configuration)
    return settings


def options_of_fingerprint(fingerprint: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options `given`, and the others that give features of this fingerprint: weights by their published names.

    Raises `InputError` where weights are no published set, and not given.
    """
    found: dict[str, Any] = {}
    for part, value in fingerprint.items():
        option = OPTION_OF.get(part)
        if option == "max_seconds":
            found[option] = None if value == WHOLE else natural_number_of(value)
        elif option is not None and part in PART_OF.values() and option not in given:
            found[option] = published_name(value)
            if found[option] is None:
                raise InputError(f"the features are of weights {value}, which are no published set: give {option}")
        elif option is not None:
            found[option] = value
    return {**found, **given}


def _configuration(root: str, run_id: str) -> Mapping[str, Any]:
    """The options in the record of a run, of this release or of another; empty where there is none."""
    try:
        record = strict_json.parse(files.read_bytes(files.join(root, RUNS, f"{run_id}.json")))
    except (FileNotFoundError, ValueError):
        return {}
    found = record.get("configuration") if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}


def _named(root: str, part: str, fingerprint: str, configuration: Mapping[str, Any]) -> str:
    """What gives the weights of a fingerprint: a name, a path or a URI. Raises `InputError` where nobody knows."""
    option = OPTION_OF[part]
    spec = configuration.get(option)
    if isinstance(spec, str) and MASK not in spec:
        return spec
    if spec is None and (name := published_name(fingerprint)) is not None:
        return name
    kept = "its secrets are not kept" if spec is not None else "no record names the file"
    raise InputError(f"{root} was extracted with weights {fingerprint}, and {kept}: give --{spelled(option)}")


def published_name(fingerprint: str) -> str | None:
    """What gives weights by their part of a fingerprint alone: the name of a published set, `random:SEED` or `none`."""
    if not fingerprint.startswith(HASH):
        return fingerprint
    sha256 = fingerprint.removeprefix(HASH)
    for known in WEIGHT_SETS:
        published = known.sha256 or known.sha256_prefix
        if published and sha256.startswith(published):
            return known.name
    return None
