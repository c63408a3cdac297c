"""Registries of models by name, filled by decorators above the model classes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from classifiers.model_options import parse_options


class ModelEntry(Protocol):
    """An entry of a registry: a model class and the configuration of one of its variants."""

    @property
    def name(self) -> str:
        """The unique name of the variant."""

    @property
    def model(self) -> type:
        """The model class."""

    @property
    def config(self) -> Any:
        """The variant's configuration, an instance of a frozen dataclass."""


EntryT = TypeVar("EntryT", bound=ModelEntry)
ModelT = TypeVar("ModelT", bound=type)


class Registry(Generic[EntryT]):
    """The entries of one kind of model; error messages use `kind` ("clip model")."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._entries: dict[str, EntryT] = {}

    def register(self, make_entry: Callable[[ModelT], EntryT]) -> Callable[[ModelT], ModelT]:
        """A class decorator that registers the entry `make_entry` creates for the class.

        Raises:
            ValueError: if the name is already registered.
        """

        def add(model: ModelT) -> ModelT:
            entry = make_entry(model)
            if entry.name in self._entries:
                registered = self._entries[entry.name].model.__name__
                raise ValueError(f"{self._kind} {entry.name!r} is already registered, as {registered}")
            self._entries[entry.name] = entry
            return model

        return add

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._entries))

    def entry(self, name: str) -> EntryT:
        """The entry registered as `name`.

        Raises:
            ValueError: if the name is unknown; the message suggests the nearest name and lists all.
        """
        if name not in self._entries:
            nearest = difflib.get_close_matches(name, self._entries, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise ValueError(f"{self._kind} {name!r} is unknown; {hint}known models: {', '.join(self.names())}")
        return self._entries[name]

    def config(self, name: str, options: Mapping[str, object] | None = None) -> Any:
        """The configuration of model `name`, with the values in `options` replaced.

        Raises:
            ValueError: if the name or an option is unknown, or values have wrong types or are out of range; the
                message lists all problems.
        """
        return parse_options(self.entry(name).config, options or {}, f"options of model {name!r}")
