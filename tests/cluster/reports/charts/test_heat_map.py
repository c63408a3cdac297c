"""Heat maps: cells where they belong, legible at every size, hostile names harmless."""

import xml.etree.ElementTree as ElementTree

import pytest

from cluster.reports.charts.heat_map import MAX_CLASSES, Cell, heat_map, scale
from tests.support.pages import Page


def names(count: int) -> list[str]:
    return [f"class {i}" for i in range(count)]


def drawn(count: int, cells: list[Cell]) -> ElementTree.Element:
    return ElementTree.fromstring(
        heat_map(names(count), cells, rows="true", columns="predicted", description="Confusion")
    )


def cell(row: int, column: int, shade: float) -> Cell:
    return Cell(row=row, column=column, shade=shade, title=f"{row} → {column}", text="96", note="1.2k")


def test_cells_stand_in_their_row_and_column() -> None:
    svg = next(drawn(4, [cell(1, 3, -0.25)]).iter("svg"))
    (rect,) = (rect for rect in svg.iter("rect") if "cell" in (rect.get("class") or "").split())
    assert [rect.get(key) for key in ("x", "y", "width", "height")] == ["75.000%", "25.000%", "25.000%", "25.000%"]
    assert (rect.get("class"), rect.get("fill-opacity")) == ("cell down", "0.250")
    assert rect[0].text == "1 → 3"
    assert svg.get("aria-label") == "Confusion"


@pytest.mark.parametrize(("count", "lines"), [(2, 2), (12, 2), (13, 1), (25, 1), (26, 0), (64, 0)])
def test_the_text_in_a_cell_depends_on_its_size(count: int, lines: int) -> None:
    assert len(list(drawn(count, [cell(0, 0, 1.0)]).iter("text"))) == lines


def test_text_on_a_dark_cell_is_light() -> None:
    styles = [[text.get("class") for text in drawn(2, [cell(0, 0, shade)]).iter("text")] for shade in (0.9, -0.9, 0.3)]
    assert styles == [["value inverse", "note inverse"], ["value inverse", "note inverse"], ["value", "note"]]


def test_every_class_is_named_on_both_axes_in_full_in_its_title() -> None:
    long = "x" * 4096
    page = Page(heat_map([long, "<b>&"], [], rows="true", columns="predicted", description="Confusion"))
    titles = [attributes["title"] for tag, attributes in page.tags if tag == "span" and "title" in attributes]
    assert titles == [long, "<b>&", long, "<b>&"]
    assert "b" not in {tag for tag, _ in page.tags}


@pytest.mark.parametrize("count", [0, MAX_CLASSES + 1])
def test_too_many_classes_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"a heat map of {count} classes; 1 to 64 can be drawn"):
        heat_map(names(count), [], rows="true", columns="predicted", description="Confusion")


def test_a_scale_labels_the_shades() -> None:
    items = list(ElementTree.fromstring(scale([(-0.5, "half wrong"), (1.0, "all correct")])).iter("li"))
    patches = [next(item.iter("rect")) for item in items]
    assert [(patch.get("class"), patch.get("fill-opacity")) for patch in patches] == [
        ("cell down patch", "0.500"),
        ("cell up patch", "1.000"),
    ]
    assert ["".join(item.itertext()) for item in items] == ["half wrong", "all correct"]
