from __future__ import annotations

import io

import pytest

from cluster.datasets import text_files
from cluster.datasets.text_files import decoded, text_lines

TEXT = "uri,label\nä.mp4,日\n"


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
MARKS = {"utf-32-le": "\ufeff", "utf-32-be": "\ufeff"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_in_all_its_forms(encoding: str) -> None:
    assert decoded((MARKS.get(encoding, "") + TEXT).encode(encoding)) == TEXT
    assert decoded(b"") == ""
    assert decoded(b"u") == "u"


def test_a_byte_that_is_no_text_is_named_with_its_line_and_a_remedy() -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        with pytest.raises(ValueError, match="line 3: byte 0xe9 is no UTF-8: save the file as UTF-8") as caught:
            decoded(mark + TEXT.encode() + b"caf\xe9\n")
        assert "iconv -f WINDOWS-1252 -t UTF-8" in str(caught.value)


def test_text_that_is_cut_short() -> None:
    with pytest.raises(ValueError, match="it is cut short, or no UTF-16"):
        decoded(TEXT.encode("utf-16")[:-1])


def lines(content: bytes, most: int = 100) -> list[str]:
    return list(text_lines(io.BytesIO(content), newline="", most=most))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lines_are_read_one_by_one(encoding: str) -> None:
    text = MARKS.get(encoding, "") + "id,uri\r\na,1\rb,é\n\nc"
    assert lines(text.encode(encoding)) == ["id,uri\r\n", "a,1\r", "b,é\n", "\n", "c"]
    assert lines(b"") == []


def test_lines_that_are_no_text_are_named() -> None:
    for count in (0, 1, 5000):
        with pytest.raises(ValueError, match=f"line {count + 1}: byte 0xe9 is no UTF-8"):
            lines(b"a,b\n" * count + b"caf\xe9\n", most=10_000)


def test_long_lines_and_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "MAX_LINE_CHARACTERS", 10)
    assert lines(b"123456789\n1234567890") == ["123456789\n", "1234567890"]
    with pytest.raises(ValueError, match="line 2 has more than 10 characters"):
        lines(b"\n12345678901\n")
    assert len(lines(b"\n" * 100)) == 100
    with pytest.raises(ValueError, match="it has more than 100 lines: a file of its size"):
        lines(b"\n" * 101)
