"""What was read of a sentence, on a page."""

from __future__ import annotations

from cluster.reports.read_sentence import MAX_CHARACTERS, marked, sentence_row


def test_wrong_characters_are_marked() -> None:
    assert marked("set red", "set bd") == "set <mark>·</mark><mark>b</mark>d"
    assert marked("a", "<a") == "<mark>&lt;</mark>a"


def test_a_row_has_the_preview_and_marks_where_the_text_is_known() -> None:
    row = sentence_row("one", "one.mp4", "bin", "bun", b"abc")
    assert (row["read"], row["preview"]) == ("b<mark>u</mark>n", "YWJj")
    assert sentence_row("one", "", "", "bun", None)["read"] == "bun"
    assert sentence_row("one", "", "bin", "", None)["read"] == ""


def test_long_texts_are_cut_off_and_not_compared() -> None:
    row = sentence_row("one", "", "a" * 1000, "b" * 1000, None)
    assert (row["text"][-2:], row["read"][-2:], row["preview"]) == ("a…", "b…", "")
    assert len(row["read"]) == len(row["text"]) == MAX_CHARACTERS
