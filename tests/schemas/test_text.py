import os

import pytest

from schemas.text import storable


@pytest.mark.parametrize("text", ["", "a/b c", "été 日本 🎬", "line\nbreak\x00\x7f", "../../x"])
def test_text_stays_as_it_is(text):
    assert storable(text) == text


def test_what_is_no_text_is_written_out():
    assert storable(os.fsdecode(b"caf\xe9.mp4")) == "caf\\udce9.mp4"
    assert storable("\ud800") == "\\ud800"
