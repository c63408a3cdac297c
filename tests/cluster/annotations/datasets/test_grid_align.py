from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

ALIGN = "0 23750 sil\n23750 29500 bin\n29500 30000 sp\n30000 34000 blue\n34000 74500 sil\n"


def test_words_are_in_units_of_a_25000th_of_a_second(tmp_path: Path) -> None:
    words = [("bin", 0.95, 1.18), ("blue", 1.2, 1.36)]
    found = read(tmp_path, {"align/s1/bbaf2n.align": ALIGN, "s2/align/bbaf2n.align": ALIGN})
    assert spans(found) == {"s1/bbaf2n": words, "s2/bbaf2n": words}
    assert [video.group for video in found.videos] == ["s1", "s2"]


def test_a_single_file_has_no_speaker(tmp_path: Path) -> None:
    assert [*spans(read(tmp_path, {"bbaf2n.align": ALIGN}))] == ["bbaf2n"]
    assert "line 6: 'x y z' is not a word" in problems_of(tmp_path, {"b.align": f"{ALIGN}x y z\n"})
