"""Options of a job that does not exist: one of each kind, two of them in a group."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.runs.option import option
from cluster.runs.options import Options


@dataclass(frozen=True)
class Numbers(Options):
    """Numbers of two types."""

    count: int = option(3, help="a whole number", minimum=0)
    limit: int | None = option(None, help="or none", above=0, below=100)
    ratio: float = option(0.5, help="a number", minimum=0, maximum=1, common=True)


@dataclass(frozen=True)
class Config(Options):
    """An option of each kind."""

    input: str = option(help="where videos are")
    colour: str = option("red", help="what to like", choices=("red", "green"))
    name_tag: str | None = option(None, help="any text", filled=True)
    numbers: Numbers = field(default_factory=Numbers)
    quiet: bool = option(False, help="no noise", common=True)
    codes: tuple[str, ...] | None = option(None, help="some of them", choices=("missing", "empty"))
    words: tuple[str, ...] = option((), help="any words", must_be="in lower case", accepts=str.islower)
    tag_size: int = option(0, help="with a name tag", goes_with="name_tag")

    def conflicts(self) -> list[str]:
        numbers = self.numbers
        is_below = numbers.limit is not None and numbers.limit < numbers.count
        return [f"limit {numbers.limit} is below count {numbers.count}"] if is_below else []
