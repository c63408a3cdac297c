"""Pages: what cannot be seen is spelt out, and what is long is cut where that does no harm."""

import pytest
from markupsafe import Markup

from cluster.reports.pages import LONGEST_CAPTION, LONGEST_NAME, cut, seen, settings_table, shorten


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\u202egpj", "a\\u202egpj"),
        ("nul\x00", "nul\\x00"),
        ("lone\udc80", "lone\\udc80"),
        ("שלום", "שלום"),
        ("日本語 🎬", "日本語 🎬"),
    ],
)
def test_marks_without_a_shape_are_spelt_out(text: str, spelt: str) -> None:
    assert seen(text) == spelt


def test_markup_and_numbers_stay_as_they_are() -> None:
    assert seen(Markup("<b>")) is not None
    assert isinstance(seen(Markup("<b>")), Markup)
    assert seen(7) == 7


def test_names_lose_their_end_and_ids_their_middle() -> None:
    assert cut("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    assert cut("x" * (LONGEST_NAME + 1)) == "x" * (LONGEST_NAME - 1) + "…"
    short = shorten("folder/" + "y" * 100 + "last.mp4")
    assert len(short) == LONGEST_CAPTION
    assert short.startswith("folder/")
    assert short.endswith("last.mp4")


def test_settings_are_told_as_json_but_for_plain_text_and_nothing() -> None:
    rows = settings_table({"b": ["x", 1], "a": None, "c": "text", "d": "", "e": True})
    assert rows == [("a", "–"), ("b", '["x", 1]'), ("c", "text"), ("d", "–"), ("e", "true")]
