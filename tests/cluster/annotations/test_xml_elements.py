from __future__ import annotations

import io
import time

import pytest

from cluster.annotations import xml_elements as module
from cluster.annotations.xml_elements import Event, XmlElement, elements, root_of

BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><lolz>&j;</lolz>"
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
PARAMETER = '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/evil.dtd"> %x;]><a/>'


def parsed(text: str | bytes, *whole: str) -> list[tuple[Event, XmlElement]]:
    return list(elements(io.BytesIO(text if isinstance(text, bytes) else text.encode()), whole))


def test_whole_elements_are_trees_and_others_open_and_close() -> None:
    events = parsed('<a x="1">t<b n="2">two<c> 3 </c>left out<c/></b><b/></a>', "b")
    assert [(event, element.name) for event, element in events] == [
        (Event.OPENS, "a"),
        (Event.WHOLE, "b"),
        (Event.WHOLE, "b"),
        (Event.CLOSES, "a"),
    ]
    tree = events[1][1]
    assert (tree.text, tree.child_text("c"), tree.child_text("d"), len(tree.children)) == ("two", "3", "", 2)
    with pytest.raises(ValueError, match="line 1: <b> has no attribute 'x'"):
        tree.attribute("x")


@pytest.mark.parametrize("text", [BILLION_LAUGHS, EXTERNAL, PARAMETER, "<!DOCTYPE a><a/>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused_before_anything_expands(text: str, encoding: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match="document type"):
        parsed(text.encode(encoding), "a")
    assert time.perf_counter() - start < 5
    assert root_of(text.encode(encoding)) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<a><b></a>", "line 1: it is no XML, mismatched tag"),
        ("<a>\n<b x=", "line 2: it is no XML, unclosed token: is it cut short?"),
        ("", "no element found: is it cut short?"),
        ("<a>&x;</a>", "undefined entity"),
        ("plain", "line 1: it is no XML"),
        ('<?xml version="1.0" encoding="UT-1-8"?><a/>', "an encoding that is not known"),
    ],
)
def test_what_is_no_xml_says_where(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("?", r"\?")):
        parsed(text)


def test_bounds_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="nested deeper than 64"):
        parsed("<a>" * 100_000)
    monkeypatch.setattr(module, "MAX_TREE_ELEMENTS", 10)
    with pytest.raises(ValueError, match="more than 10 elements in one"):
        parsed(f"<a>{'<b/>' * 11}</a>", "a")
    monkeypatch.setattr(module, "MAX_TEXT_CHARACTERS", 10)
    with pytest.raises(ValueError, match="a text of more than 10 characters"):
        parsed(f"<a>{'x' * 11}</a>", "a")
    with pytest.raises(ValueError, match="attributes of more than 10 characters"):
        parsed(f'<a b="{"x" * 11}"/>')
    assert len(parsed(f"<a>{'<b/>' * 11}{'x' * 11}</a>", "b")) == 13


def test_encodings() -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><a n="é"/>'
    for content in (text.encode("utf-16"), text.encode(), "<a n='é'/>".encode("utf-8-sig")):
        assert parsed(content, "a")[0][1].attributes == {"n": "é"}
        assert root_of(content) == "a"


def test_memory_holds_one_element_at_a_time() -> None:
    class Endless(io.RawIOBase):
        """A document of 3 MB that is made as it is read, and of which 200,000 elements are made."""

        left = 12

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"<a>" if self.left == 11 else b'<b x="1">2</b>' * (size // 14) if self.left > 0 else b""

    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ValueError, match="cut short"):
        for _ in elements(Endless(), ["b"]):  # type: ignore[arg-type]
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
