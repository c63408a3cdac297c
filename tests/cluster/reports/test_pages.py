"""Pages: invisible characters are escaped, long names and ids shortened."""

import pytest
from markupsafe import Markup

from cluster.reports.pages import (
    MAX_ID_CHARACTERS,
    MAX_NAME_CHARACTERS,
    Contents,
    changed_options,
    escape_invisible,
    jpeg_text,
    settings_table,
    shorten,
    truncate,
)
from extractors.video.thumbnail import Thumbnail


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\u202egpj", "a\\u202egpj"),
        ("nul\x00", "nul\\x00"),
        ("lone\udc80", "lone\\udc80"),
        ("שלום", "שלום"),
        ("日本語 🎬", "日本語 🎬"),
    ],
)
def test_invisible_characters_are_escaped(text: str, escaped: str) -> None:
    assert escape_invisible(text) == escaped


def test_markup_and_numbers_stay_as_they_are() -> None:
    assert escape_invisible(Markup("<b>")) is not None
    assert isinstance(escape_invisible(Markup("<b>")), Markup)
    assert escape_invisible(7) == 7


def test_long_names_lose_their_end_and_ids_their_middle() -> None:
    assert truncate("x" * MAX_NAME_CHARACTERS) == "x" * MAX_NAME_CHARACTERS
    assert truncate("x" * (MAX_NAME_CHARACTERS + 1)) == "x" * (MAX_NAME_CHARACTERS - 1) + "…"
    short = shorten("folder/" + "y" * 100 + "last.mp4")
    assert len(short) == MAX_ID_CHARACTERS
    assert short.startswith("folder/")
    assert short.endswith("last.mp4")


def test_headings_make_the_contents_and_are_unique() -> None:
    contents = Contents()
    assert contents.heading("Last 2 nights <b>") == '<h2 id="last-2-nights-b">Last 2 nights &lt;b&gt;</h2>'
    contents.heading("hit@1")
    assert contents.sections == [("Last 2 nights <b>", "last-2-nights-b"), ("hit@1", "hit-1")]
    with pytest.raises(AssertionError):
        contents.heading("hit@1")


def test_options_with_their_defaults_are_left_out() -> None:
    assert changed_options({"b": 2, "a": None, "c": 3}, {"c"}) == [("a", "–"), ("b", "2")]
    assert changed_options({"b": 2}, None) == []


def test_a_picture_is_written_as_base64() -> None:
    assert (jpeg_text(Thumbnail(1.0, b"jpeg")), jpeg_text(None)) == ("anBlZw==", "")


def test_settings_are_json_except_text_and_none() -> None:
    rows = settings_table({"b": ["x", 1], "a": None, "c": "text", "d": "", "e": True})
    assert rows == [("a", "–"), ("b", '["x", 1]'), ("c", "text"), ("d", "–"), ("e", "true")]
