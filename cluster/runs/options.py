"""The options of a job: a frozen dataclass, derived from `Options`, whose fields are options or groups of them.

    Options    base class: the options of a job, and the groups of options that several jobs share
    Values     values of options as they come in, and everything that is wrong with them

A field whose type is derived from `Options` is a group. A field declared without `option` is not offered by the job:
a job that shares a group leaves an option of it out by declaring the field again, with its value alone.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import NoneType
from typing import Any, Generic, Self, TypeVar

from cluster.runs.option import RULE, Option, spelled
from schemas.errors import InputError


class Options:
    """Base of frozen dataclasses whose fields are options or groups of them."""

    def __post_init__(self) -> None:
        """Check everything."""
        found = options_of(type(self)).values()
        own = [each for each in found if not each.group]
        problems = [f"{each.name} {text}" for each in own for text in each.problems(getattr(self, each.field))]
        problems = problems or [*self._misplaced(), *self.conflicts()]
        if problems:
            raise InputError(*problems)

    @classmethod
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values that follow from those that are `given`, by the names of their fields; given ones stay."""
        return {}

    def conflicts(self) -> list[str]:
        """What is wrong with options that are right one by one."""
        return []

    def _misplaced(self) -> Iterator[str]:
        options = options_of(type(self))
        for found in options.values():
            partner = options.get(found.rule.goes_with)
            if partner and partner.value_in(self) in (None, (), False) and found.value_in(self) != found.default:
                yield f"--{found.name} goes with --{partner.name}"

    @classmethod
    def of(cls, **given: Any) -> Self:
        """The options of a job by the names of their fields, whatever groups they are in.

        Raises:
            InputError: with everything that is wrong.
        """
        values = Values(cls)
        unknown = given.keys() - options_of(cls).keys()
        if unknown:
            raise TypeError(f"{cls.__name__} has no options {', '.join(sorted(unknown))}")
        for field, value in given.items():
            values.add(spelled(field), spelled(field), value)
        return values.build()

    def with_values(self, **changes: Any) -> Self:
        """The same with other values, by the names of their fields; raises as `of` does."""
        return self.of(**{**self.flat(), **changes})

    def unchanged(self) -> frozenset[str]:
        """The names of the fields of all options that have their default value."""
        found = options_of(type(self)).values()
        return frozenset(each.field for each in found if each.value_in(self) == each.default)

    def flat(self) -> dict[str, Any]:
        """All options of the job by the names of their fields, whatever groups they are in."""
        return {found.field: found.value_in(self) for found in options_of(type(self)).values()}


T = TypeVar("T", bound=Options)
Made = TypeVar("Made")


class Values(Generic[T]):
    """Values for the options of `kind` as they come in, and all `problems` with them.

    A value that is wrong is put aside, so that it causes no more problems than its own; in place of a required one its
    name stands in, so that options that do not go together are found all the same.
    """

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self.options = {found.name: found for found in options_of(kind).values()}
        self.problems: list[str] = []
        self._given: dict[str, Any] = {}
        self._named: set[str] = set()

    def is_named(self, name: str) -> bool:
        """Whether a value has come in for the option, right or wrong."""
        return name in self._named

    def add(self, label: str, name: str, value: Any) -> None:
        """Take a value of an option; problems with it begin with `label`. Of several values the first one counts."""
        found = self.options[name]
        value = tuple(value) if isinstance(value, list) else value
        problems = [f"{label} {text}" for text in found.problems(value)]
        self.problems += problems
        if not problems and name not in self._named:
            is_whole = found.kind is float and isinstance(value, int)
            self._given[found.field] = float(value) if is_whole else value
        self._named.add(name)

    def put_aside(self, name: str, problem: str) -> None:
        """Note that the option has a value that cannot be understood."""
        self._named.add(name)
        self.problems.append(problem)

    def build(self, prefix: str = "") -> T:
        """The options of the job; names have a `prefix` in problems.

        Raises:
            InputError: with everything that is wrong.
        """
        self._given = {**self.kind.implied(self._given), **self._given}
        lacking = [found for found in self.options.values() if found.is_required and found.field not in self._given]
        missing = [found for found in lacking if found.name not in self._named]
        self.problems += [f"{prefix}{found.name} is required: {found.help}" for found in missing]
        stand_ins = {found.field: (found.name,) if found.kind is tuple else found.name for found in lacking}
        if not any(found.problems(stand_ins[found.field]) for found in lacking):
            built = attempt(lambda: self._built({**self._given, **stand_ins}), self.problems)
            if built is not None and not self.problems:
                return built
        raise InputError(*self.problems)

    def _built(self, given: Mapping[str, Any]) -> T:
        kinds = groups_of(self.kind)
        groups: dict[str, dict[str, Any]] = {name: {} for name in ("", *kinds)}
        for found in self.options.values():
            if found.field in given:
                groups[found.group][found.field] = given[found.field]
        own, problems = groups.pop(""), list[str]()
        made = {name: attempt(partial(kinds[name], **values), problems) for name, values in groups.items()}
        if problems:
            raise InputError(*problems)
        return self.kind(**own, **made)


def groups_of(kind: type[Options]) -> Mapping[str, type[Options]]:
    """The types of its groups by the names of their fields."""
    hints = typing.get_type_hints(kind)
    kinds = {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return {name: hint for name, hint in kinds.items() if isinstance(hint, type) and issubclass(hint, Options)}


def options_of(kind: type[Options]) -> Mapping[str, Option]:
    """All options by the names of their fields: those without a group first."""
    groups = groups_of(kind)
    found = [*_own_options(kind, ""), *(each for name in groups for each in _own_options(groups[name], name))]
    fields = [each.field for each in found]
    twice = {name for name in fields if fields.count(name) > 1}
    if twice:
        raise TypeError(f"{kind.__name__} declares options twice: {', '.join(sorted(twice))}")
    return dict(zip(fields, found, strict=True))


def _own_options(kind: type[Options], group: str) -> Iterator[Option]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if RULE in field.metadata:
            arguments = typing.get_args(hints[field.name])
            is_optional = NoneType in arguments
            hint = next(each for each in arguments if each is not NoneType) if is_optional else hints[field.name]
            base = typing.get_origin(hint) or hint
            yield Option(field.name, group, base, is_optional, field.default, field.metadata[RULE])


def attempt(make: Callable[[], Made], problems: list[str]) -> Made | None:
    """What `make` gives; None, and one more among the `problems`, where it refuses its options."""
    try:
        return make()
    except InputError as error:
        problems += error.problems
    except ValueError as error:
        problems.append(str(error))
    return None
