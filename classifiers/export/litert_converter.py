"""Converts checkpoints of clip classifiers to LiteRT, in a process with an environment of its own.

    checkpoint ─► folder ─► `litert_program`, under the environment's Python ─► folder ─► network, versions

The converter, litert-torch, needs older libraries than ours. What crosses over is data: a checkpoint's files one way, a
.tflite file the other. An environment is any in which `REQUIREMENTS` are installed, 2.1 GB with torch's CPU build: one
that the user names, or one in the cache that `install` makes; its folder there is named by a hash of the requirements.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from classifiers.export import litert_program
from classifiers.export.litert_program import NETWORK_FILE, VERSIONS_FILE
from classifiers.weights.checkpoint import Checkpoint, write_checkpoint
from schemas import strict_json
from schemas.errors import InputError

logger = logging.getLogger("framemill")

REQUIREMENTS = Path(__file__).with_name("litert_requirements.txt")
PACKAGES = Path(__file__).resolve().parents[2]  # the folder that ours are in
NEEDED = ("classifiers", "extractors", "schemas")  # by the program
HAS_CONVERTER = "from importlib.metadata import version; version('litert-torch')"
MAX_LINES = 15  # of a failed process
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


class ConversionError(Exception):
    """A network that the converter cannot convert."""


@dataclass(frozen=True)
class LiteRtConverter:
    """An environment with the converter, by its Python."""

    python: Path

    def network_file(self, checkpoint: Checkpoint) -> tuple[bytes, Mapping[str, str]]:
        """The network of a checkpoint as `litert_program` leaves it, and the versions of the libraries that wrote it.

        Raises:
            ConversionError: with the end of what the converter printed.
        """
        with TemporaryDirectory(prefix="framemill-litert-") as name:
            folder, packages = Path(name, "files"), Path(name, "packages")
            for made in (folder, packages):
                made.mkdir()
            # Ours may be installed beside libraries that the converter must not see.
            for package in NEEDED:
                (packages / package).symlink_to(PACKAGES / package, target_is_directory=True)
            for file, content in write_checkpoint(checkpoint).items():
                (folder / file).write_bytes(content)
            command: list[str | Path] = [self.python, "-P", "-m", litert_program.__name__, folder]
            environment = {**os.environ, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
            if problem := _failure(command, environment):
                raise ConversionError(f"{checkpoint.config.model} cannot be converted to LiteRT:\n{problem}")
            versions: Mapping[str, str] = strict_json.parse((folder / VERSIONS_FILE).read_bytes())
            return (folder / NETWORK_FILE).read_bytes(), versions


def converter_of(python: str, cache: Path, *, install: bool) -> LiteRtConverter:
    """The environment of the Python that the user names, or without one that in the cache, made there if asked for.

    Raises:
        InputError: if there is none, with the commands that make one; or if it lacks the converter.
    """
    if python:
        chosen = Path(python).expanduser()
        found = shutil.which(chosen)
        if found is None or _failure([found, "-c", HAS_CONVERTER]):
            reason = "has no litert-torch" if found else "is no program"
            advice = f"an environment with it is made by\n{_commands('litert')}"
            raise InputError(f"--converter-python {python} {reason}; {advice}")
        return LiteRtConverter(Path(found).absolute())
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    environment = cache / f"litert-{digest[:12]}"
    if install and not environment.exists():
        _install(environment)
    if not environment.exists():
        raise InputError(
            "--format litert needs a converter that lives in an environment of its own, 2.1 GB: --install-converter "
            f"makes it in {cache}, once; or give --converter-python litert/bin/python, after\n{_commands('litert')}"
        )
    return LiteRtConverter(environment / "bin" / "python")


def _install(environment: Path) -> None:
    """Make an environment, all or nothing."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    logger.info(f"{environment}: making the environment of the LiteRT converter, some minutes and 2.1 GB")
    partial = Path(mkdtemp(prefix=f"{environment.name}.", dir=environment.parent))
    try:
        commands: tuple[list[str | Path], ...] = (
            [sys.executable, "-m", "venv", partial],
            [partial / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS],
        )
        for command in commands:
            if problem := _failure(command):
                raise InputError(f"the environment of the LiteRT converter cannot be made:\n{problem}")
        if not environment.exists():  # another export may have been faster
            partial.rename(environment)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _failure(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run a command; the end of what it printed if it failed, otherwise nothing."""
    done = subprocess.run(  # noqa: S603  # without a shell, and of programs that the user named
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-MAX_LINES:]) or f"  exit code {done.returncode}"


def _commands(environment: str) -> str:
    return (
        f"  python -m venv {environment}\n"
        f"  {environment}/bin/python -m pip install --extra-index-url {TORCH_INDEX} -r {REQUIREMENTS}"
    )
