"""Tests for cluster.timelines.webvtt: what a browser reads in the files, and where they lie."""

from __future__ import annotations

import base64
import csv
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.storage import files
from cluster.timelines.webvtt import timestamp, vtt_text, write_vtt
from schemas.cells import text_of_cell
from schemas.timelines import NamedEvent, VideoEvents
from tests.support.browser import open_browser
from tests.support.events import events_table
from tests.support.fuzz import FUZZ
from tests.support.servers import gs_bucket

CUES = """async () => {
  const video = document.querySelector('video'), track = video.querySelector('track');
  track.track.mode = 'hidden';
  if (track.readyState < 2) await new Promise((yes, no) => { track.onload = yes; track.onerror = no; });
  return [...track.track.cues].map(cue => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]);
}"""


def hashed(video_id: str) -> str:
    return hashlib.sha256(video_id.encode()).hexdigest()[:24]


def test_the_content_of_a_file() -> None:
    video = VideoEvents("a-b", (NamedEvent(0.0, 1.5, "walking", 0.875), NamedEvent(3661.25, 3700.0, "a <b> & c", 1.0)))
    assert vtt_text(video) == (
        "WEBVTT\n\nNOTE a-b\n\n"
        "00:00:00.000 --> 00:00:01.500\nwalking 0.88\n\n"
        "01:01:01.250 --> 01:01:40.000\na &lt;b&gt; &amp; c 1.00\n"
    )
    assert vtt_text(VideoEvents("none", ())) == "WEBVTT\n\nNOTE none\n"


def test_a_browser_reads_the_cues(tmp_path: Path) -> None:
    """Whatever ids and classes hold, each event is one cue, and nothing else is."""
    hostile = "x\n\n00:00:01.000 --> 00:00:02.000\nfalse"
    events = [
        (0.0, 0.5, "walking", 0.5),
        (0.25, 9.75, "a <b>bold</b> & &amp; <00:00:01.000> class", 0.9),
        (1.0, 2.0, hostile, 0.75),
        (2.0, 3.0, "\r\r--> NOTE\x00\u2028end", 0.625),
        (3.0, 3.0001, "", 1.0),
        (359999.5, 360000.25, "Ünïcödé 走る", 1.0),
    ]
    assert write_vtt(str(tmp_path), [events_table({hostile: events, "none": []})]) == 2
    found = {}
    with open_browser() as browser:
        for name in (hashed(hostile), "none"):
            # A page from the disk may not read files from it: the track comes in the page.
            data = base64.b64encode((tmp_path / f"{name}.vtt").read_bytes()).decode()
            page = tmp_path / "page.html"
            page.write_text(f'<video><track default src="data:text/vtt;base64,{data}"></video>')
            found[name] = browser.open(page).run(f"({CUES})()")
    assert found["none"] == []
    assert found[hashed(hostile)] == [
        [0, 0.5, "walking 0.50"],
        [0.25, 9.75, "a <b>bold</b> & &amp; <00:00:01.000> class 0.90"],
        [1, 2, "x\\n\\n00:00:01.000 --> 00:00:02.000\\nfalse 0.75"],
        [2, 3, "\\r\\r--> NOTE\\x00\\u2028end 0.62"],
        [3, 3.001, " 1.00"],
        [359999.5, 360000.25, "Ünïcödé 走る 1.00"],
    ]


def test_files_have_the_name_of_their_video_where_that_is_plain(tmp_path: Path) -> None:
    odd = ["../up", "a/b", "", ".", "con", "Lpt1", "-x", "a.b", "é", "x" * 101, hashed("../up"), "=1+1"]
    tables = [events_table({"abc": [], "index": [], "com": []}), events_table({name: [] for name in ["ABC", *odd]})]
    assert write_vtt(str(tmp_path / "new"), tables) == 4 + len(odd)
    with (tmp_path / "new" / "index.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "file"]
    named = {text_of_cell(name): file for name, file in rows}
    assert named == {
        **{name: f"{name}.vtt" for name in ("abc", "index", "com")},
        **{name: f"{hashed(name)}.vtt" for name in ["ABC", *odd]},
    }
    assert len({file.lower() for file in named.values()}) == len(named)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"index.csv", *named.values()}
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]
    assert "NOTE ../up\n" in (tmp_path / "new" / f"{hashed('../up')}.vtt").read_text()


@FUZZ
@given(st.text())
def test_every_class_gives_one_cue_of_two_lines(name: str) -> None:
    text = vtt_text(VideoEvents("a", (NamedEvent(0.0, 1.0, name, 1.0),)))
    first, note, cue = text.split("\n\n")
    assert (first, note) == ("WEBVTT", "NOTE a")
    assert cue.count("-->") == 1
    assert len(cue.splitlines()) == 2


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "00:00:00.000"), (59_999, "00:00:59.999"), (3_599_999, "00:59:59.999"), (446_400_001, "124:00:00.001")],
)
def test_hours_take_the_digits_that_they_need(milliseconds: int, text: str) -> None:
    assert timestamp(milliseconds) == text


def test_into_a_bucket_and_nowhere_else() -> None:
    with gs_bucket() as bucket:
        assert write_vtt(f"{bucket}/subtitles", [events_table({"a": [(0, 1, "b", 0.5)]})]) == 1
        assert files.read_bytes(f"{bucket}/subtitles/a.vtt").startswith(b"WEBVTT\n")
        assert files.read_bytes(f"{bucket}/subtitles/index.csv") == b"id,file\r\na,a.vtt\r\n"
    with pytest.raises(files.StorageError, match="cannot be written to"):
        write_vtt("https://example.com/subtitles", [])
