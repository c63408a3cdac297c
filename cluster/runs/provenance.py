"""Where a result came from: configuration without secrets, and versions of the packages that matter."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cluster.storage.redaction import redacted

PACKAGES = ("framemill", "av", "torch", "ray", "pyarrow", "numpy", "fsspec")


def without_secrets(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they may be kept."""
    return {key: _redacted(value) for key, value in configuration.items()}


def package_versions() -> dict[str, str]:
    """Python's and those of the packages that are installed."""
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
    return redacted(value) if isinstance(value, str) else value
