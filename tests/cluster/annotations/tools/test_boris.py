from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.annotations import problems_of, read, spans

COLUMNS = (
    "Observation id", "Observation date", "Source", "Time offset (s)", "Media duration (s)", "FPS", "Subject",
    "Behavior", "Behavioral category", "Modifier #1", "Modifier #2",
    "Behavior type", "Start (s)", "Stop (s)", "Duration (s)",
    "Media file name", "Comment start",
)  # fmt: skip


def row(behavior: str, kind: str, start: str, stop: str, **values: str) -> dict[str, str]:
    base = {
        "Observation id": "o1", "Source": "player #1:films/a.mp4", "Time offset (s)": "0.0",
        "Media duration (s)": "359.960", "FPS": "25", "Subject": "No focal subject", "Behavior": behavior,
        "Behavior type": kind, "Start (s)": start, "Stop (s)": stop, "Media file name": "films/a.mp4",
    }  # fmt: skip
    return {**base, **{key.replace("_", " "): value for key, value in values.items()}}


def aggregated(*rows: dict[str, str], separator: str = "\t") -> str:
    lines = [COLUMNS, *(tuple(one.get(column, "") for column in COLUMNS) for one in rows)]
    return "\n".join(separator.join(line) for line in lines) + "\n"


def queued(behavior: str, start: str, stop: str, **values: str) -> dict[str, str]:
    files = {"Source": "player #1:a.mp4;b.mp4|player #2:c.mp4", "Media duration (s)": "179.960;359.960|539.920"}
    made = row(behavior, "STATE", start, stop, **values)
    return {**made, **files, "Media file name": values.get("media", "a.mp4")}


@pytest.mark.parametrize(("separator", "name"), [("\t", "e.tsv"), (",", "e.csv")])
def test_aggregated_events(tmp_path: Path, separator: str, name: str) -> None:
    rows = [row("run", "STATE", "3.3", "7.75", Subject="s1"), row("call", "POINT", "9.9", "9.9")]
    files = {name: aggregated(*rows, separator=separator)}
    found = read(tmp_path, files)
    assert spans(found) == {"films/a.mp4": [("run", 3.3, 7.75), ("call", 9.9, 9.9)]}
    assert [one.group for one in found.videos[0].annotations] == ["", ""]
    grouped = read(tmp_path, files, group_from="subject")
    assert [one.group for one in grouped.videos[0].annotations] == ["s1", ""]
    assert float(found.videos[0].duration_seconds or 0) == 359.96


def test_queued_media_follow_each_other(tmp_path: Path) -> None:
    rows = [queued("run", "5", "8"), queued("run", "227.765", "230", media="b.mp4"), queued("sit", "170", "200")]
    found = read(tmp_path, {"e.tsv": aggregated(*rows)})
    assert spans(found) == {"a.mp4": [("run", 5, 8), ("sit", 170, 200)], "b.mp4": [("run", 47.805, 50.04)]}
    assert "go on in the next file" in found.notes[0]


def test_the_offset_is_taken_off_and_wrong_names_do_not_count(tmp_path: Path) -> None:
    event = {**queued("run", "100", "101", media="b.mp4"), "Time offset (s)": "100.0"}
    assert spans(read(tmp_path, {"e.tsv": aggregated(event)})) == {"a.mp4": [("run", 0, 1)], "b.mp4": []}


def test_queued_media_of_unknown_lengths_are_refused(tmp_path: Path) -> None:
    rows = [row("run", "STATE", "1", "2"), row("run", "STATE", "400", "401", Media_file_name="b.mp4")]
    rows = [{**one, "Source": "", "Media duration (s)": ""} for one in rows]
    text = problems_of(tmp_path, {"e.tsv": aggregated(*rows)})
    assert "observation 'o1': its media are queued (films/a.mp4, b.mp4), and nothing says how long each one is" in text


def test_modifiers_category_and_unfinished_events(tmp_path: Path) -> None:
    event = {
        **row("run", "STATE", "1", "2"),
        "Modifier #1": "fast",
        "Modifier #2": "left",
        "Behavioral category": "move",
    }
    files = {"e.tsv": aggregated(event, row("sit", "STATE", "3", "NA"))}
    found = read(tmp_path, files)
    assert found.videos[0].annotations[0].attributes == (("behavioral category", "move"), ("modifiers", "fast|left"))
    assert "without a start or a stop" in found.notes[0]
    assert spans(read(tmp_path, files, label_from="modifiers"))["films/a.mp4"] == [("fast|left", 1, 2)]
    assert spans(read(tmp_path, files, label_from="behavioral category"))["films/a.mp4"] == [("move", 1, 2)]
    assert "has no column 'modifier'" in problems_of(tmp_path, files, label_from="modifier")


def test_aggregated_rows_without_header(tmp_path: Path) -> None:
    cells = ["observation #2", "2016-12-01 23:01:31", "a.mp4", "359.960", "25.0", "123", "some text", "subject1", "s"]
    line = "\t".join([*cells, "", "m", "STATE", "266.1", "276.6", "10.5", "", ""])
    found = read(tmp_path, {"e.tsv": line})
    assert spans(found) == {"a.mp4": [("s", 266.1, 276.6)]}
    assert dict(found.videos[0].annotations[0].attributes)["subject"] == "subject1"


OLD_TABULAR = """Observation id\tobservation #1\t\t\t\t
\t\t\t\t\t
Media file(s)\t\t\t\t\t
Player #1\ta.mp4\t\t\t\t
Observation date\t2016-11-27 01:57:26\t\t\t\t
Time offset (s)\t10.0\t\t\t\t
independent variables\t\t\t\t\t
variable\tvalue\t\t\t\t
Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus
13.300\ta.mp4\t359.960\t25.0\tsubject1\ts\t\t\tSTART
14.000\ta.mp4\t359.960\t25.0\tsubject2\ts\t\t\tSTART
17.750\ta.mp4\t359.960\t25.0\tsubject1\ts\t\t\tSTOP
18.000\ta.mp4\t359.960\t25.0\tsubject2\tp\t\t\tPOINT
19.000\ta.mp4\t359.960\t25.0\tsubject3\ts\t\t\tSTOP
"""


def test_tabular_events_are_paired_by_subject_and_behaviour(tmp_path: Path) -> None:
    found = read(tmp_path, {"e.tsv": OLD_TABULAR})
    assert spans(found) == {"a.mp4": [("s", 3.3, 7.75), ("p", 8, 8)]}
    assert [note.split(" (")[0] for note in found.notes] == [
        "events that stop and never started are left out",
        "events that start and never stop are left out",
    ]


def test_newer_tabular_events_have_one_table(tmp_path: Path) -> None:
    header = (
        "Observation id,Source,Time offset (s),Media duration (s),FPS,Subject,Behavior,Modifier #1,Behavior type,Time,"
        "Media file name"
    )
    lines = [
        "o,player #1:a.mp4;b.mp4,0,10;20,25;25,x,run,fast,START,00:00:11.5,b.mp4",
        "o,player #1:a.mp4;b.mp4,0,10;20,25;25,x,run,slow,START,12,b.mp4",
        "o,player #1:a.mp4;b.mp4,0,10;20,25;25,x,run,fast,STOP,13,b.mp4",
    ]
    found = read(tmp_path, {"e.csv": "\n".join([header, *lines])})
    assert spans(found) == {"a.mp4": [], "b.mp4": [("run", 1.5, 3)]}


def test_live_observations_have_no_media(tmp_path: Path) -> None:
    live = {**row("run", "STATE", "1", "2", Media_file_name="NA"), "Source": "NA", "Media duration (s)": "NA"}
    found = read(tmp_path, {"e.tsv": aggregated(live)})
    assert spans(found) == {"o1": [("run", 1, 2)]}
    assert "names no media file" in found.notes[0]


def test_problems_have_their_lines(tmp_path: Path) -> None:
    bad = {**queued("run", "1", "2"), "Media duration (s)": "5"}
    text = problems_of(tmp_path, {"e.tsv": aggregated(row("run", "STATE", "one", "2"), bad)})
    assert "e.tsv, line 2: 'one' is not a number" in text
    assert "no line has the columns" in problems_of(tmp_path, {"e.tsv": "a\tb\n1\t2\n"}, format_name="boris")
