"""Letters and digits as bitmaps."""

import pytest

from jobs.samples.glyphs import GLYPHS, text_mask


def test_glyphs_are_five_dots_wide_and_unknown_ones_are_named() -> None:
    assert all(len(rows) == 7 and max(rows) < 32 for rows in GLYPHS.values())
    assert text_mask("AB1", dot_pixels=2).shape == (14, 36)
    with pytest.raises(ValueError, match=r"no glyph for \['é'\]"):
        text_mask("Aé", dot_pixels=1)


def test_a_letter_is_drawn_from_its_rows_with_a_gap_before_it() -> None:
    dots = text_mask("T", dot_pixels=1)
    assert dots[0].tolist() == [False, True, True, True, True, True]
    assert dots[1:, 3].all()
    assert dots.sum() == 5 + 6
