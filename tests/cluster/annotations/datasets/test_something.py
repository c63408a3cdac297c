from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

TRAIN = [
    {
        "id": "78687",
        "label": "holding potato next to vicks",
        "template": "Holding [something] next to [something]",
        "placeholders": ["potato", "vicks"],
    },
    {"id": 42326, "label": "tearing paper", "template": "Tearing [something] into two pieces", "placeholders": []},
]


def test_the_class_is_the_template_without_brackets(tmp_path: Path) -> None:
    labels = {"Tearing something into two pieces": "1", "Holding something next to something": "0"}
    files = {
        "something-something-v2-train.json": TRAIN,
        "something-something-v2-test.json": [{"id": "1420"}],
        "something-something-v2-labels.json": labels,
    }
    found = read(tmp_path, files)
    assert spans(found) == {
        "1420": [],
        "78687": [("Holding something next to something",)],
        "42326": [("Tearing something into two pieces",)],
    }
    assert found.classes == ("Holding something next to something", "Tearing something into two pieces")
    assert [video.split for video in found.videos] == ["test", "train", "train"]
    assert found.videos[1].annotations[0].attributes == (("description", "holding potato next to vicks"),)


def test_problems_have_their_places(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"a.json": [TRAIN[0], {"template": "x"}, 3, {"id": "1", "template": "[]"}]})
    assert "entry 2: it has no 'id'" in text
    assert "entry 3: expected an object with 'id', not 3" in text
    assert "entry 4: no template" in text


def test_a_broken_file_beside_the_lists_is_a_problem(tmp_path: Path) -> None:
    files = {"something-something-v2-train.json": TRAIN, "something-something-v2-labels.json": '{"Tearing'}
    assert "something-something-v2-labels.json: it is no JSON" in problems_of(tmp_path, files)
