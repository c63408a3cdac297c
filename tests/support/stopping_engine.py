"""An engine that stops before its work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class StoppingEngine:
    """The engine `inner`, until it has given a number of outcomes; then it calls `look` and raises `error`."""

    inner: Any
    outcomes: int
    error: BaseException
    look: Callable[[], object] = lambda: None

    @property
    def on_gpus(self) -> bool | None:
        return self.inner.on_gpus  # type: ignore[no-any-return]

    def started(self) -> Any:
        return self

    def machine(self, *arguments: Any) -> Any:
        return self.inner.machine(*arguments)

    def run(self, queue: Any, worker: Any) -> Iterator[Any]:
        for number, outcome in enumerate(self.inner.run(queue, worker), 1):
            yield outcome
            if number == self.outcomes:
                self.look()
                raise self.error

    def close(self) -> None:
        self.inner.close()
