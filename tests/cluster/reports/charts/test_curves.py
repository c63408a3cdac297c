"""Curves over epochs: lines, gaps, marks and descriptions."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest

from cluster.reports.charts.curves import Axis, Curve, curves
from cluster.reports.charts.svg import PLOT_BOTTOM, PLOT_HEIGHT, PLOT_TOP
from cluster.reports.numbers import figure_text, percent_text


def drawn(*lines: Sequence[float | None], best: int = 0, are_shares: bool = False) -> ElementTree.Element:
    styles = ("training", "validation")
    as_text = percent_text if are_shares else figure_text
    named = [
        Curve(label=style, values=values, style=style, as_text=as_text)
        for values, style in zip(lines, styles, strict=False)
    ]
    return ElementTree.fromstring(curves(named, best, "Loss", are_shares=are_shares))


def dots(chart: ElementTree.Element, style: str) -> list[tuple[float, float]]:
    circles = [circle for circle in chart.iter("circle") if style in (circle.get("class") or "").split()]
    return [(float((circle.get("cx") or "")[:-1]), float(circle.get("cy") or "")) for circle in circles]


def texts(chart: ElementTree.Element, style: str) -> list[str]:
    return [text.text or "" for text in chart.iter("text") if style in (text.get("class") or "").split()]


def test_dots_stand_where_their_values_are() -> None:
    chart = drawn([1.0, 0.5, 0.0], [0.0, 0.25, 1.0], best=1)
    (x0, y0), (x1, y1), (x2, y2) = dots(chart, "training")
    assert (x0 + x2) / 2 == pytest.approx(x1)
    assert (y0, y1, y2) == pytest.approx((PLOT_TOP, (PLOT_TOP + PLOT_BOTTOM) / 2, PLOT_BOTTOM))
    assert dots(chart, "validation")[1][1] > y1, "less is further down"
    titles = [title.text for title in chart.iter("title")]
    assert "epoch 2, training: 0.5" in titles


def test_a_value_that_is_missing_breaks_the_line() -> None:
    chart = drawn([0.4, 0.3, None, 0.2, 0.1])
    (path,) = (path.get("d") or "" for path in chart.iter("path"))
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert len(dots(chart, "training")) == 4


def test_the_best_epoch_is_marked() -> None:
    chart = drawn([0.5] * 20, [0.9426] * 20, best=8, are_shares=True)
    assert texts(chart, "strong") == ["best: epoch 9"]
    (mark,) = (line for line in chart.iter("line") if line.get("class") == "mean")
    assert float((mark.get("x1") or "")[:-1]) == pytest.approx(dots(chart, "validation")[8][0], abs=0.01)
    assert chart.get("aria-label") == (
        "Loss: training from 50.00% to 50.00%, 50.00% at epoch 9; validation from 94.26% to 94.26%, 94.26% at epoch 9"
    )


def test_a_loss_that_falls_by_decades_is_drawn_on_a_logarithmic_scale() -> None:
    chart = drawn([10.0, 1.0, 0.1])
    assert texts(chart, "halo") == ["0.1", "1", "10"]
    assert [y for _, y in dots(chart, "training")] == pytest.approx([PLOT_TOP, PLOT_TOP + PLOT_HEIGHT / 2, PLOT_BOTTOM])
    assert "on a logarithmic scale" in (chart.get("aria-label") or "")
    for linear in (drawn([10.0, 1.0, 0.2]), drawn([1.0, 0.001], are_shares=True), drawn([10.0, 0.0])):
        assert "logarithmic" not in (linear.get("aria-label") or "")


def test_many_decades_have_a_few_labels() -> None:
    assert 3 <= len(texts(drawn([3e20, 2e-17]), "halo")) <= 8


@pytest.mark.parametrize("values", [[0.3], [0.0], [0.0, 0.0], [1.0, 1.0], [1e-7, 2e-7], [0.05, 4e6], [-3.0, -3.0]])
def test_any_values_lie_within_the_plot_between_a_few_ticks(values: list[float]) -> None:
    chart = drawn(values)
    assert all(PLOT_TOP - 0.1 <= y <= PLOT_BOTTOM + 0.1 for _, y in dots(chart, "training"))
    assert 2 <= len(texts(chart, "halo")) <= 8


def test_shares_never_have_ticks_above_all() -> None:
    ticks = texts(drawn([0.981, 1.0], are_shares=True), "halo")
    assert ticks[-1] == "100%"
    assert texts(drawn([1.0, 1.0], are_shares=True), "halo")[-1] == "100%"


@pytest.mark.parametrize("count", [1, 2, 8, 9, 20, 100, 5000])
def test_epochs_are_named_a_few_at_a_time(count: int) -> None:
    chart = drawn([1.0 + i for i in range(count)])
    below = [text for text in chart.iter("text") if text.get("y") == str(PLOT_BOTTOM + 18)]
    epochs = [int(text.text or "") for text in below]
    assert epochs[0] == 1
    assert epochs == sorted(set(epochs))
    assert min(count, 4) <= len(epochs) <= 9
    assert epochs[-1] <= count


def test_another_axis_has_its_own_names() -> None:
    axis = Axis(name=lambda i: f"{i} s seen", label=lambda i: f"{i} s", mark=lambda i: f"here: {i}")
    line = Curve(label="validation", values=[0.1, 0.5, 0.9], style="validation")
    html = curves([line], 1, "hit@1", are_shares=True, axis=axis)
    chart = ElementTree.fromstring(html)
    assert [text.text for text in chart.iter("text") if text.get("y") == str(PLOT_BOTTOM + 18)] == ["0 s", "1 s", "2 s"]
    assert texts(chart, "strong") == ["here: 1"]
    assert chart.get("aria-label") == "hit@1: validation from 0.1 to 0.9, 0.5 at 1 s seen"
    assert "2 s seen, validation: 0.9" in html


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="Loss: no epoch has a value"):
        drawn([None, None])
