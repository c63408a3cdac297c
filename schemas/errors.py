"""Bad input: the exception that every room raises for it, and how its messages name examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

EXAMPLES = 5  # names in one message


class InputError(Exception):
    """Options, files, a store or an output that a job cannot work with; `problems` lists all that is wrong.

    Each problem is for a person: the offender, what is allowed and the remedy. A job that meets bad input before it has
    touched anything ends with exit code 2; a run that meets it later ends as `failed`, and with exit code 2 where a
    manifest is wrong.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


def problems_of(error: Exception) -> tuple[str, ...]:
    """What is wrong, one problem each."""
    return error.problems if isinstance(error, InputError) else (str(error),)


def problem_list(subject: str, problems: Sequence[str], count: int | str = "") -> str:
    """The problems of a `subject` in one text: a single one beside it, several below it and their `count`."""
    if len(problems) == 1:
        return f"{subject}: {problems[0]}"
    return "\n".join([f"{subject}: {count or len(problems)} problems", *(f"  - {line}" for line in problems)])


def examples(names: Sequence[str], quote: Callable[[str], str] = repr) -> str:
    """The first of `names`, quoted, and an ellipsis for the others."""
    return ", ".join(map(quote, names[:EXAMPLES])) + (", …" if len(names) > EXAMPLES else "")
