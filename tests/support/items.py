"""Work for engines that takes no time and goes wrong as its tasks ask for: portions (`Item`) and videos."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from cluster.engines.base import Resources, Worker
from cluster.engines.stage import NetworklessStage
from cluster.engines.tasks import Done, Failed, Outcome, Task
from extractors.segments import Segment
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage
from schemas.videos import Video


@dataclass(frozen=True)
class Answer:
    """What becomes of a task, and the process that did it."""

    text: str
    process: int


@dataclass(frozen=True)
class Item:
    """A portion. Its worker does `action`, one of `ACTIONS`: always, or only once if there is a file to mark."""

    number: int
    action: str = "answer"
    mark: str = ""

    @property
    def key(self) -> str:
        """As of every task."""
        return str(self.number)


class UnreadableItem(Item):
    """No process can receive it."""

    @override
    def __reduce__(self) -> Any:
        return (_raise, ())


class ItemWorker(Worker[Item, Answer]):
    """Carries out items, each in no more than `time_limit_seconds`; `setup` is an action too."""

    def __init__(self, setup: str = "answer", time_limit_seconds: float | None = None) -> None:
        self._setup, self._time_limit_seconds = setup, time_limit_seconds

    @property
    @override
    def resources(self) -> Resources:
        return Resources(time_limit_seconds=self._time_limit_seconds)

    @property
    @override
    def outcome_type(self) -> Any:
        return Answer

    @override
    def setup(self) -> None:
        ACTIONS[self._setup]()

    @override
    def __call__(self, task: Item) -> Answer:
        if not task.mark:
            ACTIONS[task.action]()
        elif not os.path.exists(task.mark):
            Path(task.mark).touch()
            ACTIONS[task.action]()
        return Answer(str(task.number), os.getpid())


class ScriptedWorker(Worker[Task, Outcome]):
    """Does with a video what its URI says, a word and a number:

    segments  it has so many
    busy      so many attempts meet a store that is busy
    die       so many attempts kill their process
    damaged   it has so many segments, of which those after the first cannot be decoded
    sleep     it takes so many milliseconds
    chain     it has so many segments, each of which goes on from the one before; the answers count them
    chain-die, chain-damaged  likewise, but the third kills its process once, or cannot be decoded
    """

    @property
    @override
    def resources(self) -> Resources:
        return Resources(time_limit_seconds=60.0)

    @property
    @override
    def outcome_type(self) -> Any:
        return Done[Answer] | Failed

    @override
    def setup(self) -> None:
        pass

    @override
    def __call__(self, task: Task) -> Outcome:
        action, _, number = task.video.uri.partition(" ")
        count = int(number)
        if action == "die" and task.attempt <= count:
            ACTIONS["die"]()
        if action == "busy" and task.attempt <= count:
            return Failed(task, FailureCode.STORAGE, "busy", Stage.READ.value)
        if action == "damaged" and task.segment is not None:
            return Failed(task, FailureCode.DAMAGED, "damaged", Stage.DECODE.value)
        if action == "sleep":
            time.sleep(count / 1000)
        if action.startswith("chain"):
            return self._chained(task, action, count)
        has_segments = action in ("segments", "damaged") and task.segment is None
        others = tuple(Segment(index, count, index) for index in range(1, count)) if has_segments else ()
        return Done(task, Answer(task.key, os.getpid()), others)

    def _chained(self, task: Task, action: str, count: int) -> Outcome:
        segment = task.segment or Segment(0, count, 0, 1 if count > 1 else None)
        seen = np.zeros(1, np.int64) if segment.state is None else segment.state["seen"]
        if segment.index == 2 and action == "chain-die" and task.attempt == 1:
            die_alone()
        if segment.index == 2 and action == "chain-damaged":
            return Failed(task, FailureCode.DAMAGED, "damaged", Stage.DECODE.value)
        following = segment.following({"seen": seen + 1}, None)
        answer = Answer(f"{seen[0]} before it", os.getpid())
        return Done(task.without_state(), answer, () if following is None else (following,))


class HeldInterpreter(NetworklessStage):
    """A stage that C code keeps from ever coming back to Python, as the file says: it waits, or takes memory first."""

    @property
    def result_type(self) -> type[Answer]:
        """As of items."""
        return Answer

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Answer, list[Segment]]:
        """Answers with the text of other files."""
        text = Path(str(source)).read_text()
        held = b"x" * (600 << 20) if text == "take memory" else b""
        if text in ("wait", "take memory"):
            ctypes.PyDLL(None).sleep(600)  # unlike those of `CDLL`, its functions run with the interpreter held
        return Answer(text, len(held)), []


class DyingStage(NetworklessStage):
    """A stage that notes the segments it is given, in `folder`, and once kills its process at one of them."""

    def __init__(self, stage: Any, folder: Path, dies_at: int) -> None:
        self._stage, self._folder, self._dies_at = stage, folder, dies_at

    @property
    def result_type(self) -> type[Any]:
        """As of the stage."""
        result_type: type[Any] = self._stage.result_type
        return result_type

    @override
    def setup(self) -> None:
        """Load the stage."""
        self._stage.setup()

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Any, list[Segment]]:
        """As the stage, or nothing any more."""
        index = 0 if segment is None else segment.index
        with (self._folder / "given").open("a") as file:
            file.write(f"{video.id} {index}\n")
        mark = self._folder / "dead"
        if index == self._dies_at and not mark.exists():
            mark.touch()
            die_alone()
        result: tuple[Any, list[Segment]] = self._stage(source, video, segment, with_thumbnail=with_thumbnail)
        return result


def _raise() -> None:
    raise OSError("no room for it")


def die_alone() -> None:
    """Kill this process once the outcome of the task before has reached the driver, which would blame that one else."""
    time.sleep(1)
    ACTIONS["die"]()


ACTIONS: Mapping[str, Any] = {
    "answer": lambda: None,
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(600),
    "raise": _raise,
}
