"""The state of an unfinished training: the folder `state` in its output.

    epoch-0003.safetensors   everything needed to resume after three epochs (`classifiers.training.state`), except
    frozen-0.safetensors     the weights that phase 0 (counted from 0) does not change; the last two epochs are kept
    course.json              when the training started, the epochs at which it was resumed, and its precision
    lost.json                the videos that cannot be used; they are searched for once

Each file is written whole or not at all. The folder is removed once the checkpoint is written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from classifiers.choices import FP32
from classifiers.training.identity import TrainingIdentity
from classifiers.training.state import TrainingState, TrainingStateError, read_state, write_frozen, write_state
from cluster.storage import files
from cluster.storage.listing import list_files
from schemas import strict_json
from schemas.records import utc_text
from schemas.trainings import LostVideo

KEPT = 2
SCHEMA_VERSION = 1
RESUME_FILE, LOST_FILE = "course.json", "lost.json"
T = TypeVar("T")
_STATE_FILE = re.compile(r"epoch-(\d{4,9})\.safetensors")


@dataclass(frozen=True)
class ResumeLog:
    """When a training started, the epochs at which it was resumed, and the precision that it began with."""

    started_at: str
    resumed_at_epoch: tuple[int, ...] = ()
    precision: str = FP32
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class LostVideos:
    """Videos that cannot be used, found by one search through all of them."""

    videos: tuple[LostVideo, ...]
    schema_version: int = SCHEMA_VERSION


class StateFolder:
    """The states of the training `identity` whose output is `output`."""

    def __init__(self, output: str, identity: TrainingIdentity) -> None:
        self._uri = files.join(output, "state")
        self._identity = identity
        self._frozen_phase: int | None = None  # the phase whose frozen weights are written

    def last(self) -> str | None:
        """The URI of the last state; None where no epoch has ended."""
        states = self._states()
        return states[-1] if states else None

    def read(self, uri: str) -> TrainingState:
        """The state at `uri`. Raises `TrainingStateError` where it is damaged, or of a training with other options."""
        try:
            return read_state(files.read_bytes(uri), self._identity, self._read_frozen)
        except TrainingStateError as error:
            raise TrainingStateError(
                f"{uri}: {error}\nGive the same options again, or another --output, or remove the folder"
            ) from error

    def latest(self) -> TrainingState | None:
        """The last state, None where no epoch has ended. Raises `TrainingStateError` as `read` does."""
        uri = self.last()
        return None if uri is None else self.read(uri)

    def begin(self, epoch: int, precision: str) -> ResumeLog:
        """Record that the training starts, or is resumed, with `epoch`."""
        log = self.resume_log()
        if log is None:
            log = ResumeLog(utc_text(datetime.now(UTC)), precision=precision)
        else:
            log = replace(log, resumed_at_epoch=(*log.resumed_at_epoch, epoch), precision=precision)
        files.write_bytes(self._resume_log_uri, strict_json.dump(log).encode())
        return log

    def resume_log(self) -> ResumeLog | None:
        """The start and resumptions so far; None before the start."""
        return _read_json(ResumeLog, self._resume_log_uri)

    def lost(self) -> Sequence[LostVideo] | None:
        """The videos that cannot be used; None before they were searched for."""
        found = _read_json(LostVideos, files.join(self._uri, LOST_FILE))
        return None if found is None else found.videos

    def write_lost(self, videos: Sequence[LostVideo]) -> None:
        """Record the videos that cannot be used."""
        text = strict_json.dump(LostVideos(tuple(videos)))
        files.write_bytes(files.join(self._uri, LOST_FILE), text.encode())

    def write(self, state: TrainingState) -> None:
        """Write a state, and remove all earlier ones but the last."""
        phase = state.history.epochs[-1].phase
        if state.frozen and phase != self._frozen_phase:
            files.write_bytes(self._frozen_uri(phase), write_frozen(state))
            self._frozen_phase = phase
        name = f"epoch-{len(state.history.epochs):04d}.safetensors"
        files.write_bytes(files.join(self._uri, name), write_state(state, self._identity, with_frozen=False))
        for uri in self._states()[:-KEPT]:
            with suppress(FileNotFoundError):
                files.delete(uri)

    def clear(self) -> None:
        """Remove the folder."""
        with suppress(FileNotFoundError):
            files.delete_folder(self._uri)

    def _read_frozen(self, phase: int) -> bytes:
        try:
            return files.read_bytes(self._frozen_uri(phase))
        except FileNotFoundError as error:
            raise TrainingStateError(f"{self._frozen_uri(phase)}, which belongs to it, is missing") from error

    def _frozen_uri(self, phase: int) -> str:
        return files.join(self._uri, f"frozen-{phase}.safetensors")

    @property
    def _resume_log_uri(self) -> str:
        return files.join(self._uri, RESUME_FILE)

    def _states(self) -> list[str]:
        """URIs of the states, by their number of epochs."""
        try:
            uris = [file.uri for file in list_files(self._uri)]
        except FileNotFoundError:
            return []
        numbered = [(match, uri) for uri in uris if (match := _STATE_FILE.fullmatch(posixpath.basename(uri)))]
        return [uri for _, uri in sorted((int(match[1]), uri) for match, uri in numbered)]


def _read_json(kind: type[T], uri: str) -> T | None:
    """The content of a file of the folder; None where there is none."""
    try:
        return strict_json.load(kind, files.read_bytes(uri).decode(), uri, schema_version=SCHEMA_VERSION)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise TrainingStateError(f"{uri} is damaged: {error}\nRemove the state folder to begin anew") from error
