from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans


def element(index: int, start: object, end: object, **attributes: str) -> str:
    values = "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in attributes.items())
    return f'<el index="{index}" start="{start}" end="{end}">{values}<comment>c</comment></el>\n'


def track(name: str, *content: str, more: str = 'type="primary"') -> str:
    return f'<track name="{name}" {more}>\n{"".join(content)}</track>\n'


def document(
    *tracks: str, encoding: str = "UTF-16", video: str = '<video src="..\\films\\a.mov" master="true"/>'
) -> str:
    head = f'<head><specification src="s.xml"/>{video}<info key="coder">x</info></head>'
    return f'<?xml version="1.0" encoding="{encoding}"?>\n<annotation>{head}<body>{"".join(tracks)}</body></annotation>'


PHASES = track("phase", element(0, "1.33333", "2.1", type="prep"), element(1, 2.1, 3, type="stroke"))


def test_utf_16_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.anvil": document(PHASES).encode("utf-16")})
    assert spans(found) == {"a.mov": [("prep", 1.33333, 2.1), ("stroke", 2.1, 3.0)]}
    assert found.videos[0].annotations[0].attributes == (("track", "phase"),)


def test_a_file_that_only_declares_utf_16_is_read_too(tmp_path: Path) -> None:
    assert len(spans(read(tmp_path, {"x.anvil": document(PHASES)}))["a.mov"]) == 2


def test_other_tracks_refer_to_elements_of_a_primary_one(tmp_path: Path) -> None:
    phrases = track("phrase", element(0, 0, 1, kind="beat"), more='type="span" ref="phase"')
    single = track(
        "one", '<el index="0" ref="1"><attribute name="k">x</attribute></el>', more='type="singleton" ref="phase"'
    )
    found = read(tmp_path, {"x.anvil": document(PHASES, phrases, single, encoding="UTF-8")})
    assert spans(found)["a.mov"][2:] == [("beat", 1.33333, 3.0), ("x", 2.1, 3.0)]


def test_one_of_several_attributes_must_be_named(tmp_path: Path) -> None:
    files = {
        "x.anvil": document(track("g", element(0, 0, 1, hand="left", kind="beat"), element(1, 1, 2)), encoding="UTF-8")
    }
    assert "it has several attributes (hand, kind): name one with --label-from" in problems_of(tmp_path, files)
    found = read(tmp_path, files, label_from="kind")
    assert spans(found) == {"a.mov": [("beat", 0, 1)]}
    assert len(found.notes) == 1
    assert spans(read(tmp_path, files, label_from="name")) == {"a.mov": [("g", 0, 1), ("g", 1, 2)]}


def test_a_file_without_video_is_called_after_itself(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.anvil": document(PHASES, encoding="UTF-8", video="")})
    assert [*spans(found)] == ["x"]


def test_problems_have_their_places(tmp_path: Path) -> None:
    circle = track("s", element(0, 0, 0, k="x"), more='type="span" ref="s"')
    gone = track("t", element(0, 4, 9, k="x"), more='type="span" ref="phase"')
    text = problems_of(
        tmp_path, {"x.anvil": document(PHASES, circle, gone, track("u", element(0, "now", 1, k="v")), encoding="UTF-8")}
    )
    assert "track 's', element 0 (line 7): track 's' refers to itself" in text
    assert "it refers to elements 4 to 9 of 'phase', which are not there" in text
    assert "'now' is not a number" in text
