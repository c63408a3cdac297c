from __future__ import annotations

from dataclasses import dataclass

import pytest

from classifiers.registration import Registry


@dataclass(frozen=True)
class Config:
    cells: int = 3


@dataclass(frozen=True)
class Entry:
    name: str
    model: type
    config: Config = Config()


@pytest.fixture
def registry() -> Registry[Entry]:
    registry: Registry[Entry] = Registry("clip model")
    for name in ("lstm", "gru"):
        registry.register(lambda model, name=name: Entry(name, model))(int)
    return registry


def test_known_names(registry: Registry[Entry]) -> None:
    assert registry.names() == ("gru", "lstm")
    assert registry.entry("gru") == Entry("gru", int)
    assert registry.config("gru", {"cells": 5}) == Config(5)


def test_an_unknown_name_is_refused_with_the_nearest_and_all_others(registry: Registry[Entry]) -> None:
    message = r"^clip model 'lstn' is unknown; did you mean 'lstm'\? known models: gru, lstm$"
    with pytest.raises(ValueError, match=message):
        registry.entry("lstn")
    with pytest.raises(ValueError, match=r"^clip model 'x' is unknown; known models: gru, lstm$"):
        registry.entry("x")


def test_a_name_is_registered_once(registry: Registry[Entry]) -> None:
    with pytest.raises(ValueError, match="clip model 'gru' is already registered, as int"):
        registry.register(lambda model: Entry("gru", model))(str)
