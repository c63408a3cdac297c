from __future__ import annotations

import pytest

from cluster.datasets.text_files import decoded

TEXT = "uri,label\nä.mp4,日\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_text_in_all_its_forms(encoding: str) -> None:
    mark = {"utf-32-le": "\ufeff", "utf-32-be": "\ufeff"}.get(encoding, "")
    assert decoded((mark + TEXT).encode(encoding)) == TEXT
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
