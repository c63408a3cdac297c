"""Provenance of a result: command line and configuration without secrets, and versions of packages."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cluster.storage.redaction import redacted, redacted_uri
from schemas.commands import PROGRAM

PACKAGES = ("framemill", "av", "torch", "onnxruntime", "ray", "pyarrow", "numpy", "fsspec")


def command_line() -> tuple[str, ...]:
    """The command line of this process, one argument each, without secrets."""
    words = sys.argv
    if words and words[0].startswith(f"{PROGRAM} "):
        words = [*words[0].split(), *words[1:]]
    return tuple(map(_redacted, words))


def without_secrets(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Options without the secrets in URIs, for records."""
    return {key: _redacted(value) for key, value in configuration.items()}


def package_versions() -> dict[str, str]:
    """Versions of Python and of the `PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # our own, when it runs from a checkout
    return found


def _redacted(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_redacted, value))
    return redacted(redacted_uri(value)) if isinstance(value, str) else value
