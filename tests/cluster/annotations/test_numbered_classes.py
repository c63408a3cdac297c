from __future__ import annotations

from cluster.annotations.numbered_classes import with_names
from cluster.datasets.manifest_writer import unwritable_labels
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet


def exported(*labels: str, classes: tuple[str, ...] = ()) -> AnnotationSet:
    return AnnotationSet((AnnotatedVideo("a", tuple(Annotation(one, None, "") for one in labels)),), classes, ())


def test_numbers_become_names_in_their_order() -> None:
    named = with_names(exported("10", "2", "run", "10", ""))
    assert [one.label for one in named.videos[0].annotations] == ["class 10", "class 2", "run", "class 10", ""]
    assert named.classes == ("class 2", "class 10")
    assert "as 'class 2'" in named.notes[0]
    assert unwritable_labels(named.classes) == []


def test_names_stay() -> None:
    read = exported("run", "7 up", classes=("run",))
    assert with_names(read) is read
    taken = exported("7", "class 7")
    assert with_names(taken) is taken
    assert with_names(exported("1", classes=("3", "1"))).classes == ("class 3", "class 1")
