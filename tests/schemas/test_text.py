import os

import pytest

from schemas.text import counted, storable, visible


@pytest.mark.parametrize("text", ["", "a/b c", "été 日本 🎬", "line\nbreak\x00\x7f", "../../x"])
def test_text_stays_as_it_is(text):
    assert storable(text) == text


def test_what_is_no_text_is_written_out():
    assert storable(os.fsdecode(b"caf\xe9.mp4")) == "caf\\udce9.mp4"
    assert storable("\ud800") == "\\ud800"


@pytest.mark.parametrize("text", ["", "a/b c", "été 日本 🎬", "line\nbreak\t", "עברית"])
def test_what_can_be_seen_stays(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[2J\r", "\\x1b[2J\\r"),
        ("\x9b\x85", "\\x9b\\x85"),
        ("\u202eb\u2028", "\\u202eb\\u2028"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text, escaped):
    assert visible(text) == escaped


def test_ends_of_lines_are_kept_on_request():
    assert visible("a\n\tb", kept="") == "a\\n\\tb"


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (0, "video", "0 videos"),
        (1, "video", "1 video"),
        (1_234_567, "new video", "1,234,567 new videos"),
        (1, "class", "1 class"),
        (2, "other class", "2 other classes"),
        (2, "GPU", "2 GPUs"),
    ],
)
def test_one_thing_is_singular_and_any_other_number_plural(number, noun, expected):
    assert counted(number, noun) == expected
