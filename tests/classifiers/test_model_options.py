"""Options replace defaults strictly, and checks report every field that is out of range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from classifiers.model_options import check_options, parse_options


@dataclass(frozen=True)
class Config:
    """One field of each kind."""

    layers: int = 2
    sizes: tuple[int, ...] = (8, 4)
    scale: float = 1.0
    dropout: float = 0.0
    kind: str = "a"
    kinds: tuple[str, ...] = ("a", "b")
    enabled: bool = False


def check(config: Config) -> None:
    check_options(
        config,
        at_least={"layers": 1, "sizes": 2},
        above_zero=("scale",),
        dropouts=("dropout",),
        choices={"kind": ("b", "a"), "kinds": ("a", "b")},
    )


def test_options_replace_some_of_the_defaults() -> None:
    assert parse_options(Config(), {}, "options") == Config()
    given = {"layers": 3, "sizes": [5], "scale": 2, "kinds": ["b"], "enabled": True}
    assert parse_options(Config(), given, "options") == Config(3, (5,), 2.0, 0.0, "a", ("b",), True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 3}, "options of x.*layer.*did you mean 'layers'"),
        ({"layers": 2.5}, "layers: expected a whole number"),
        ({"sizes": 3}, "sizes"),
        ({"enabled": "yes"}, "enabled"),
        ({"kind": {1, 2}}, "options of x: an option must be a text, number, boolean or list"),
    ],
)
def test_unknown_options_and_wrong_types_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}"):
        parse_options(Config(), options, "options of x")


def test_values_within_their_limits_pass() -> None:
    check(Config())
    check(Config(layers=1, sizes=(2,), scale=1e-9, dropout=0.999, kind="b", kinds=()))


def test_all_values_out_of_range_are_reported_with_lists_checked_one_by_one() -> None:
    with pytest.raises(ValueError, match="layers") as caught:
        check(Config(layers=0, sizes=(8, 1, 0), scale=0.0, dropout=1.0, kind="c", kinds=("a", "d")))
    assert str(caught.value).split("; ") == [
        "layers must be at least 1, got 0",
        "sizes must be at least 2, got 1",
        "sizes must be at least 2, got 0",
        "scale must be above 0, got 0.0",
        "dropout must be at least 0 and below 1, got 1.0",
        "kind must be one of a, b, got 'c'",
        "kinds must be one of a, b, got 'd'",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 1001}, "layers must be at most 1000, got 1001"),
        ({"sizes": (4, 10**13)}, "sizes must be at most 1048576, got 10000000000000"),
        ({"sizes": (4,) * 1001}, "sizes has 1001 values, at most 1000"),
    ],
)
def test_sizes_and_numbers_of_layers_are_bounded(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(Config(**options))
