"""One option: how a field of a dataclass declares it, and the rule that its values are checked against.

option()   declares a field as an option, with its help text, bounds and choices
Rule       what an option takes
Option     one option of a job: its name, its group, its type and its rule
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from cluster.runs.job_folder import job_folder_of
from schemas import strict_json
from schemas.numerals import LIMIT

TYPES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list of strings"}
RULE = "rule"  # its key in a field's metadata


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an option takes; of a list, each item.

    minimum, maximum  the least and the greatest number
    above, below      likewise, themselves excluded; below infinity means finite
    filled            whether empty text and empty lists are refused
    accepts           any other condition, which `must_be` puts into words
    is_written        whether it is a place that the job writes to
    goes_with         another option, without which this one may not be given
    common            whether the option is among the first of its group in the help text
    """

    help: str
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    filled: bool = False
    must_be: str = ""
    accepts: Callable[[Any], bool] | None = None
    is_written: bool = False
    goes_with: str = ""
    common: bool = False

    def problems(self, value: Any) -> Iterator[str]:
        """What is wrong with a value of the right type: offender, allowed values, remedy."""
        items = value if isinstance(value, tuple) else (value,)
        if self.filled and not all(item.strip() for item in items or ("",)):
            yield "must not be empty"
            return
        for item in items:
            if self.choices and item not in self.choices:
                yield f"is one of {', '.join(map(str, self.choices))}, not {item!r}{nearest(str(item), self.choices)}"
            elif not self._is_within(item):
                yield f"must be {self._bounds()}, not {item}"
            elif self.accepts is not None and not self.accepts(item):
                yield f"must be {self.must_be}, not {item!r}"
            elif self.is_written and (folder := job_folder_of(item)):
                yield (
                    f"must not be in {folder}, which Ray deletes after the job: give a URI, or the absolute path of a "
                    f"folder that all machines share, not {item!r}"
                )

    def _is_within(self, number: Any) -> bool:
        return (
            (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def _bounds(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"between {self.minimum} and {self.maximum}"
        limits = {"at least": self.minimum, "above": self.above, "at most": self.maximum, "below": self.below}
        words = [f"{word} {limit}" for word, limit in limits.items() if limit is not None and limit != math.inf]
        return " and ".join([*words, *(["finite"] if self.below == math.inf else [])])


def option(default: Any = dataclasses.MISSING, *, help: str, **rule: Any) -> Any:
    """A field that is an option, with the fields of `Rule`; without `default` the option must be given."""
    return dataclasses.field(default=default, metadata={RULE: Rule(help=help, **rule)})


@dataclass(frozen=True)
class Option:
    """One option of a job. `field` and `group` are names of fields; options of no group have an empty one."""

    field: str
    group: str
    kind: type
    is_optional: bool
    default: Any
    rule: Rule

    @property
    def name(self) -> str:
        """What users call it."""
        return spelled(self.field)

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is dataclasses.MISSING

    @property
    def help(self) -> str:
        """What it is, with its choices."""
        choices = f" ({' | '.join(map(str, self.rule.choices))})" if self.rule.choices else ""
        return f"{self.rule.help}{choices}"

    def problems(self, value: Any) -> list[str]:
        """What is wrong with a value."""
        if value is None and self.is_optional:
            return []
        kinds = (int, float) if self.kind is float else self.kind
        is_kind = isinstance(value, kinds) and (self.kind is bool or not isinstance(value, bool))
        if is_kind and isinstance(value, int) and abs(value) >= LIMIT:
            return [f"takes {TYPES[self.kind]} of 64 bits"]
        if not is_kind or (self.kind is tuple and not all(isinstance(item, str) for item in value)):
            return [f"takes {TYPES[self.kind]}, not {value!r}"]
        return list(self.rule.problems(value))

    def value_in(self, options: object) -> Any:
        """Its value in the options of the job."""
        return getattr(getattr(options, self.group) if self.group else options, self.field)


def spelled(field: str) -> str:
    """The name of a field as users write it."""
    return field.replace("_", "-")


def nearest(name: str, known: Iterable[Any]) -> str:
    """The hint at what was meant, to end a problem with; empty where nothing is near."""
    near = get_close_matches(name, map(str, known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def named_values(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """The values of an option that takes NAME=VALUE: numbers, lists, true and false as in JSON, anything else as text.

    Raises:
        ValueError: for what is not NAME=VALUE.
    """
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise ValueError(f"{name} are NAME=VALUE, not {', '.join(map(repr, wrong))}")
    return {key: _value(value) for key, value in (text.split("=", 1) for text in texts)}


def _value(text: str) -> Any:
    try:
        return strict_json.parse(text)
    except ValueError:
        return text
