"""Environments of the peers: each peer's packages in a virtual environment of its own, made once and kept.

In: a peer's name and a cache folder. Out: the Python of its environment and the variables to start it with.

torch is the build without CUDA of the version that this project pins (`torch==…+cpu`), from pip's own links or from
`TORCH_INDEX`, as in the Makefile. Without it the peer is unavailable: PyPI would send gigabytes of CUDA instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
TORCH_INDEX = os.environ.get("TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
DEFAULT_CACHE = Path.home() / ".cache" / "framemill" / "peers"
# Beside torch, NumPy and safetensors; a name alone has the version of constraints.txt.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "daft": ("daft[video]==0.7.26",),  # which brings a PyAV older than ours
    "ray-data": ("ray[data]", "av"),
    # The last release on PyPI that is built without CUDA; FFmpeg's libraries come from PyAV.
    "torchcodec": ("torchcodec==0.13.0", "av", "pyarrow"),
    "pyav": ("av", "pyarrow"),
}
SHOWN = ("daft", "ray", "torchcodec", "av", "torch", "numpy", "pyarrow")
VERSIONS = """
import json, sys
from importlib.metadata import distributions
versions = {one.metadata["Name"]: one.version for one in distributions()}
print(json.dumps({name: versions[name] for name in sys.argv[1:] if name in versions}))
"""
ERROR_LINES = 3


class UnavailableError(Exception):
    """A peer cannot be installed or loaded here; the message says why."""


@dataclass(frozen=True)
class Environment:
    """A peer's Python, the variables to start it with, and versions by package."""

    python: Path
    variables: Mapping[str, str]
    versions: Mapping[str, str]


def pinned(requirement: str) -> str:
    """`ray[data]` with the version of constraints.txt, `ray[data]==2.60.0`; unchanged if it has one."""
    if "==" in requirement:
        return requirement
    name = requirement.partition("[")[0]
    found = re.search(rf"^{name}==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{requirement!r} has no version, here or in constraints.txt")
    return f"{requirement}=={found[1]}"


def requirements(peer: str) -> list[str]:
    """Exact versions of what `peer` needs."""
    return [pinned("torch") + "+cpu", *map(pinned, ("numpy", "safetensors", *PACKAGES[peer]))]


def environment(peer: str, cache: Path) -> Environment:
    """The environment of `peer` below `cache`, made if it is not there; raises `UnavailableError`."""
    wanted = requirements(peer)
    folder = cache / f"{peer}-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{peer}: installing {' '.join(wanted)} into {folder}", flush=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *wanted, *_torch_index()])
        (folder / "complete").touch()
    variables = _with_ffmpeg(folder) if peer == "torchcodec" else {}
    versions = json.loads(_run([str(python), "-c", VERSIONS, *SHOWN]))
    if "torchcodec" in versions:
        _run([str(python), "-c", "from torchcodec.decoders import VideoDecoder"], variables)
    return Environment(python, variables, versions)


def _torch_index() -> list[str]:
    """pip's option for `TORCH_INDEX`, if it can be reached: pip retries one that cannot for minutes."""
    try:
        with urlopen(f"{TORCH_INDEX}/torch/", timeout=10):  # noqa: S310 - the scheme is the user's choice
            return ["--extra-index-url", TORCH_INDEX]
    except (URLError, OSError):
        return []


def _with_ffmpeg(folder: Path) -> dict[str, str]:
    """Variables with which torchcodec finds the libraries of PyAV, whose names it does not know, under their own."""
    (libraries,) = folder.glob("lib/python*/site-packages/av.libs")
    for library in [*libraries.glob("libav*-*.so.*"), *libraries.glob("libsw*-*.so.*")]:
        name, _, version = library.name.partition(".so.")
        link = libraries / f"{name.partition('-')[0]}.so.{version.partition('.')[0]}"
        if not link.exists():
            link.symlink_to(library.name)
    return {"LD_LIBRARY_PATH": str(libraries)}


def _run(command: list[str], variables: Mapping[str, str] = {}) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise UnavailableError(f"`{' '.join(command[1:5])} …` failed: {' '.join(lines[-ERROR_LINES:])[:500]}")
    return done.stdout
