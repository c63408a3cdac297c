"""Models by name: a registry is filled by decorators above the classes, and refuses a name that is taken."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from classifiers.model_options import parse_options


class ModelEntry(Protocol):
    """What a name stands for: a class and the numbers of the variant, an instance of a frozen dataclass."""

    @property
    def name(self) -> str:
        """Unique among the models of a kind."""

    @property
    def model(self) -> type:
        """The class."""

    @property
    def config(self) -> Any:
        """The numbers."""


EntryT = TypeVar("EntryT", bound=ModelEntry)
ModelT = TypeVar("ModelT", bound=type)


class Registry(Generic[EntryT]):
    """The entries of one `kind` of model ("clip model"), which error messages name."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._entries: dict[str, EntryT] = {}

    def register(self, make_entry: Callable[[ModelT], EntryT]) -> Callable[[ModelT], ModelT]:
        """A decorator that registers the class below it.

        Raises:
            ValueError: if the name is taken.
        """

        def add(model: ModelT) -> ModelT:
            entry = make_entry(model)
            if entry.name in self._entries:
                holder = self._entries[entry.name].model.__name__
                raise ValueError(f"{self._kind} {entry.name!r} is registered already, as {holder}")
            self._entries[entry.name] = entry
            return model

        return add

    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(sorted(self._entries))

    def entry(self, name: str) -> EntryT:
        """What is registered under `name`.

        Raises:
            ValueError: if the name is unknown; the message has the nearest one and all others.
        """
        if name not in self._entries:
            nearest = difflib.get_close_matches(name, self._entries, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise ValueError(f"{self._kind} {name!r} is unknown; {hint}known models: {', '.join(self.names())}")
        return self._entries[name]

    def config(self, name: str, options: Mapping[str, object] | None = None) -> Any:
        """The numbers of model `name`, with `options` in place of some: an instance of the model's configuration.

        Raises:
            ValueError: if the name or an option is unknown, or values have wrong types or are out of range; all at
            once.
        """
        return parse_options(self.entry(name).config, options or {}, f"options of model {name!r}")
