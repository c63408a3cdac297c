"""Look at what Framemill needs: libraries, processor, Ray, stores and weights; and say how to get what is missing.

framemill doctor
framemill doctor --store gs://bucket/videos s3://bucket/features

The exit code is 1 where something is broken; what is only missing, such as an extra, is no fault.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from cluster.engines.base import usable_cores
from cluster.engines.gpus import gpu_count
from cluster.runs.command_line import parse_or_exit
from cluster.runs.logs import shown
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage.listing import list_files
from cluster.storage.redaction import redacted_uri
from extractors.networks.cpu_precision import has_cpu_int8, resolve_cpu_precision
from extractors.weights.resolve import default_cache_dir
from extractors.weights.weight_sets import WEIGHT_SETS, WeightSet
from framemill import __version__
from schemas.errors import InputError
from schemas.text import counted

PACKAGE = "framemill"
EXTRA = re.compile(r"""extra == ["'](\w+)["']""")
HIDDEN_EXTRAS = ("dev", "fuzz")  # of those who work on the project
# Where the libraries of a store look for credentials: environment variables, and a file in the home folder.
CREDENTIALS = {
    "gs": (("GOOGLE_APPLICATION_CREDENTIALS",), ".config/gcloud/application_default_credentials.json"),
    "s3": (("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"), ".aws/credentials"),
}


class State(Enum):
    """How a finding is marked."""

    FINE = "ok"
    ABSENT = "--"
    BROKEN = "!!"


@dataclass(frozen=True)
class Finding:
    """One line of the report; `remedy` is what to do about it."""

    state: State
    subject: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class DoctorOptions(Options):
    """What to look at beside this machine."""

    store: tuple[str, ...] = option((), help="buckets, prefixes or folders to list, with the credentials of this shell")


def main() -> int:
    """Print the findings; returns the exit code."""
    options = parse_or_exit(DoctorOptions, __doc__ or "")
    findings = [*_libraries(), *_machine(), *_ray(), *_credentials(), *map(_store, options.store), *_weights()]
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        print(shown(f"{finding.state.value}  {finding.subject:<{width}}  {finding.text}"))
        if finding.remedy:
            print(shown(f"    {'':<{width}}  {finding.remedy}"))
    return int(any(finding.state is State.BROKEN for finding in findings))


def _libraries() -> Iterator[Finding]:
    yield Finding(State.FINE, PACKAGE, f"{__version__}, Python {platform.python_version()}, {Path(__file__).parent}")
    extras: dict[str, list[Requirement]] = {}
    try:
        requirements = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(State.ABSENT, "libraries", "not looked at: this checkout is not installed", "pip install -e .")
        return
    for requirement in map(Requirement, requirements):
        extra = EXTRA.search(str(requirement.marker or ""))
        if extra is None or extra[1] not in HIDDEN_EXTRAS:
            extras.setdefault(extra[1] if extra else "", []).append(requirement)
    for name, found in extras.items():
        versions = {each.name: _version(each.name) for each in found}
        wrong = [
            f"{each} (here: {versions[each.name] or 'none'})" for each in map(_bare, found) if not _fits(each, versions)
        ]
        remedy = f"pip install 'framemill[{name}]'" if name else "pip install framemill"
        if not wrong:
            text = ", ".join(f"{library} {version}" for library, version in versions.items())
            yield Finding(State.FINE, name or "libraries", text)
        else:
            is_absent = name and not any(versions.values())
            text = "not installed" if is_absent else f"needs {', '.join(wrong)}"
            yield Finding(State.ABSENT if name else State.BROKEN, name or "libraries", text, remedy)


def _bare(requirement: Requirement) -> Requirement:
    """The requirement without the condition under which it holds."""
    bare = Requirement(str(requirement))
    bare.marker = None
    return bare


def _fits(requirement: Requirement, versions: Mapping[str, str | None]) -> bool:
    version = versions[requirement.name]
    return version is not None and requirement.specifier.contains(version.partition("+")[0], prereleases=True)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> Iterator[Finding]:
    precision = resolve_cpu_precision("auto")
    also = ", int8 with --precision int8" if has_cpu_int8() else ""
    yield Finding(State.FINE, "processor", f"{counted(usable_cores(), 'core')}, networks in {precision}{also}")
    count = gpu_count()
    if count:
        import torch

        names = ", ".join(torch.cuda.get_device_name(number) for number in range(count))
        yield Finding(State.FINE, "GPUs", f"{names}; networks in bf16")
    else:
        import torch

        without = "this torch is built without CUDA" if torch.version.cuda is None else "torch finds none"
        yield Finding(State.ABSENT, "GPUs", without)


def _ray() -> Iterator[Finding]:
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        yield Finding(State.FINE, "Ray", "RAY_ADDRESS is not set: --engine ray starts a cluster on this machine")
        return
    if address in ("auto", "local"):
        yield Finding(State.FINE, "Ray", f"RAY_ADDRESS is {address}: Ray finds or starts a cluster on this machine")
        return
    try:
        parts = urlsplit(address if "//" in address else f"ray-gcs://{address}")
        with socket.create_connection((parts.hostname or "", parts.port or 6379), timeout=5):
            yield Finding(State.FINE, "Ray", f"something listens at {redacted_uri(address)} (RAY_ADDRESS)")
    except (OSError, ValueError) as error:
        remedy = "unset RAY_ADDRESS to start a cluster on this machine, or give the address of one that runs"
        yield Finding(State.BROKEN, "Ray", f"no cluster at {redacted_uri(address)} (RAY_ADDRESS): {error}", remedy)


def _credentials() -> Iterator[Finding]:
    for scheme, (variables, file) in CREDENTIALS.items():
        given = [name for name in variables if os.environ.get(name)]
        lost = [
            name for name in given if name.endswith(("_CREDENTIALS", "_FILE")) and not Path(os.environ[name]).is_file()
        ]
        if lost:
            yield Finding(
                State.BROKEN, f"{scheme}://", f"{lost[0]} names a file that is not there", f"set {lost[0]} anew"
            )
        elif given:
            yield Finding(State.FINE, f"{scheme}://", f"credentials from {', '.join(given)}")
        elif (Path.home() / file).exists():
            yield Finding(State.FINE, f"{scheme}://", f"credentials from ~/{file}")
        else:
            text = "no credentials here: public buckets, and what the machine's own service account may read"
            yield Finding(State.ABSENT, f"{scheme}://", text, f"set {variables[0]}, or sign in to have ~/{file}")


def _store(uri: str) -> Finding:
    try:
        first = next(iter(list_files(uri)), None)
        text = "can be listed, and is empty" if first is None else f"can be listed, from {redacted_uri(first.uri)} on"
        return Finding(State.FINE, redacted_uri(uri), text)
    except (InputError, OSError) as error:
        return Finding(State.BROKEN, redacted_uri(uri), str(error))


def _weights() -> Iterator[Finding]:
    cache = default_cache_dir()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    try:
        with NamedTemporaryFile(dir=existing):
            yield Finding(State.FINE, "cache", f"{cache}")
    except OSError as error:
        yield Finding(
            State.BROKEN, "cache", f"{cache} is not writable: {error}", "FRAMEMILL_CACHE names another folder"
        )
    for known in WEIGHT_SETS:
        if known.shipped is None:
            yield _weight_set(known, cache)


def _weight_set(known: WeightSet, cache: Path) -> Finding:
    path, subject = cache / known.file_name, f"{known.name} ({known.kind})"
    if not path.exists():
        text = f"not in the cache; its first use downloads it ({known.size}), or"
        return Finding(State.ABSENT, subject, text, known.download(path))
    if known.size_bytes is not None and path.stat().st_size != known.size_bytes:
        text = f"{path} has {path.stat().st_size:,} bytes, and {known.size_bytes:,} were published"
        return Finding(State.BROKEN, subject, text, f"rm {shlex.quote(str(path))}; {known.download(path)}")
    return Finding(State.FINE, subject, known.file_name)


if __name__ == "__main__":
    sys.exit(main())
