"""Comparison of trainings: every figure is one of the records, and what it says follows from them."""

import dataclasses

import pytest

from cluster.reports.comparison_report import compared, findings, problems_of, render_comparison
from cluster.reports.context import PageContext
from cluster.reports.links import PageLink
from schemas.evaluations import GroupScore
from schemas.trainings import TrainingRecord
from tests.support.pages import Page, assert_accessible, assert_self_contained
from tests.support.training_records import renamed, training_record

VIDEOS = 900


def measured(correct: tuple[int, ...], *, known: bool, **changes: object) -> TrainingRecord:
    """A training whose validation videos are of as many groups as there are numbers of correct ones."""
    record = training_record(9, splits=("validation",))
    each = VIDEOS // len(correct)
    groups = tuple(
        GroupScore(group=f"athlete-{i}", videos=each, correct=count, training_videos=120 if known else 0)
        for i, count in enumerate(correct)
    )
    split = record.splits[0]
    changed = dataclasses.replace(
        split,
        videos=VIDEOS,
        summary={**split.summary, "hit_at_one": sum(correct) / VIDEOS},
        groups=groups,
        group_count=len(groups),
        known_groups=len(groups) if known else 0,
    )
    return dataclasses.replace(record, splits=(changed,), **changes)  # type: ignore[arg-type]


def said(known: tuple[int, ...], new: tuple[int, ...]) -> str:
    records = {"by-clip": measured(known, known=True), "by-athlete": measured(new, known=False)}
    return " ".join(findings(compared(records)))


def test_what_a_network_knows_of_groups_is_not_counted_as_knowledge_of_classes() -> None:
    text = said((290, 295, 300), (200, 250, 270))
    assert "by-clip: 98.33% of 900 validation videos classified correctly." in text
    assert "by-athlete: 80.00% of 900" in text
    chance = 200 * ((0.9833 * 0.0167 + 0.8 * 0.2) / 900) ** 0.5
    assert f"by-clip is 18.3 points better; chance explains {chance:.1f} points at most" in text
    assert "For videos of new groups, expect 80.00%; the 3 groups" in text
    assert "reach from 66.67% to 90.00%." in text


def test_a_difference_within_chance_says_nothing() -> None:
    text = said((290, 290, 290), (285, 290, 285))
    assert "by-clip is 1.1 points better. With so few videos, up to 1.8 points may be chance" in text
    assert "knowledge of groups" not in text


def test_easier_groups_are_not_taken_for_a_leak() -> None:
    text = said((200, 250, 270), (290, 295, 300))
    assert "by-clip is 18.3 points worse: the 3 groups of by-athlete are easier than the others" in text


def test_trainings_without_groups_are_compared_by_their_figures_alone() -> None:
    records = {name: training_record(3, splits=("test",)) for name in ("a", "b")}
    assert len(list(findings(compared(records)))) == 2
    page = render_comparison(records)
    assert "These videos have no groups" in Page(page).text


def test_the_page_holds_both_trainings() -> None:
    records = {
        "by-clip": measured((290, 295, 300), known=True, configuration={"videos": "clips/", "split": "hash"}),
        "by-athlete": measured((200, 250, 270), known=False, configuration={"videos": "clips/", "split": "column"}),
    }
    context = PageContext(uri="/out/comparison.html", pages=(PageLink("by-clip", "/out/by-clip/training.html"),))
    html = render_comparison(records, context)
    page = assert_self_contained(html)
    assert_accessible(page)
    assert "./by-clip/training.html" in page.hrefs
    assert "Option by-clip by-athlete split hash column" in page.text
    assert "athlete-0 66.67% 300 0" in page.text
    assert "athlete-0 96.67% 300 120" in page.text
    for record in records.values():
        for row in record.splits[0].confidence:
            assert f"{100 * row.mean:.2f} ± {100 * row.standard_deviation:.2f}%" in page.text
    assert html.count('class="heat') == 4


def test_hostile_names_stay_text() -> None:
    names = ["<script>alert(1)</script>", "\u202eb", ""]
    records = {name: renamed(training_record(3, splits=("test",)), names) for name in ("<b>", "b")}
    assert_self_contained(render_comparison(records))


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ({"a": training_record(3), "b": training_record(10)}, "b has other classes than a"),
        ({"a": training_record(3), "b": training_record(3, splits=())}, "b was evaluated on no split"),
    ],
)
def test_what_cannot_be_compared_is_said(records: dict[str, TrainingRecord], problem: str) -> None:
    assert any(line.startswith(problem) for line in problems_of(records))
