"""What a command of `framemill` is; the table of them is in `framemill.command`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: the module whose `main` carries it out, and what it does."""

    module: str
    summary: str
