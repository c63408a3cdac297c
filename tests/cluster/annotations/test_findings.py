from __future__ import annotations

import pytest

from cluster.annotations import findings as module
from cluster.annotations.base import AnnotationError
from cluster.annotations.findings import Findings


def test_problems_have_places_and_come_at_once() -> None:
    found = Findings("x.json")
    for number in range(2):
        with found.at(f"tag {number}"):
            raise ValueError("no name")
    with pytest.raises(AnnotationError) as caught:
        found.result([])
    assert caught.value.lines == ("tag 0: no name", "tag 1: no name")
    with pytest.raises(KeyError), found.at("tag 3"):
        raise KeyError


def test_there_are_so_many_problems_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FOUND", 3)
    found = Findings("x.json")
    found.wrong("bad")
    found.wrong("bad")
    with pytest.raises(AnnotationError, match="what follows is not read"):
        found.wrong("bad")


def test_notes_are_counted() -> None:
    found = Findings("x.json")
    found.note("it has no name")
    for number in range(1500):
        found.note("tags are left out", f"tag {number}")
    found.note("once", "here")
    assert found.result([]).notes == ("it has no name", "tags are left out (1,500 times; first: tag 0)", "once (here)")
