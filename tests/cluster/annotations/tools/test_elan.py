from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.annotations import problems_of, read, spans

VIDEO = 'MEDIA_URL="file:///C:/films/a.mp4" RELATIVE_MEDIA_URL="./films/a.mp4" MIME_TYPE="video/mp4"'


def slots(**times: int | None) -> str:
    made = [
        f'<TIME_SLOT TIME_SLOT_ID="{key}"' + ("/>" if v is None else f' TIME_VALUE="{v}"/>') for key, v in times.items()
    ]
    return f"<TIME_ORDER>{''.join(made)}</TIME_ORDER>\n"


def aligned(number: int, start: str, end: str, value: str = "word") -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def referring(number: int, parent: str, value: str) -> str:
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a{number}" ANNOTATION_REF="{parent}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def tier(name: str, *content: str, more: str = "") -> str:
    return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="t"{more}>\n{"".join(content)}</TIER>\n'


def document(*content: str, media: tuple[str, ...] = (VIDEO,), units: str = "milliseconds") -> str:
    listed = "".join(f"<MEDIA_DESCRIPTOR {one}/>" for one in media)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0">\n'
        f'<HEADER MEDIA_FILE="" TIME_UNITS="{units}">{listed}</HEADER>\n{"".join(content)}</ANNOTATION_DOCUMENT>'
    )


def test_slots_come_in_any_order(tmp_path: Path) -> None:
    text = document(slots(ts2=2500, ts1=1000), tier("verbs", aligned(1, "ts1", "ts2", " run ")))
    found = read(tmp_path, {"x.eaf": text})
    assert spans(found) == {"films/a.mp4": [("run", 1.0, 2.5)]}
    assert found.videos[0].annotations[0].source == "x.eaf, tier 'verbs', annotation a1 (line 6)"


def test_slots_without_a_time_are_spaced_equally(tmp_path: Path) -> None:
    times = slots(t0=8000, t1=None, t2=None, t3=None, t4=None, t5=11000)
    words = [aligned(n, f"t{n}", f"t{n + 1}", f"w{n}") for n in range(5)]
    found = read(tmp_path, {"x.eaf": document(times, tier("words", *words))})
    expected = [("w0", 8.0, 8.6), ("w1", 8.6, 9.2), ("w2", 9.2, 9.8), ("w3", 9.8, 10.4), ("w4", 10.4, 11.0)]
    assert spans(found) == {"films/a.mp4": expected}


def test_slots_that_no_neighbour_shares_are_spaced_by_their_order(tmp_path: Path) -> None:
    times = slots(t0=0, t1=None, t2=None, t3=3000)
    found = read(tmp_path, {"x.eaf": document(times, tier("words", aligned(1, "t0", "t1"), aligned(2, "t2", "t3")))})
    assert spans(found) == {"films/a.mp4": [("word", 0.0, 1.0), ("word", 2.0, 3.0)]}


def test_an_annotation_that_refers_has_its_parents_times(tmp_path: Path) -> None:
    gloss = tier("gloss", referring(2, "a1", "one"), referring(3, "a2", "two"))
    found = read(tmp_path, {"x.eaf": document(slots(t1=0, t2=500), gloss, tier("words", aligned(1, "t1", "t2")))})
    assert spans(found) == {"films/a.mp4": [("one", 0, 0.5), ("two", 0, 0.5), ("word", 0, 0.5)]}


def test_origins_are_of_one_medium_each_and_sound_is_left_out(tmp_path: Path) -> None:
    second = 'MEDIA_URL="file:///home/b.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="1500"'
    sound = 'MEDIA_URL="file:///home/a.wav" MIME_TYPE="audio/x-wav" TIME_ORIGIN="9000"'
    text = document(slots(t1=0, t2=500), tier("words", aligned(1, "t1", "t2")), media=(VIDEO, second, sound))
    found = read(tmp_path, {"x.eaf": text})
    assert spans(found) == {"films/a.mp4": [("word", 0, 0.5)], "b.mp4": [("word", 1.5, 2.0)]}
    assert {video.group for video in found.videos} == {"x"}
    assert "a.wav" in found.notes[0]


@pytest.mark.parametrize(
    ("label_from", "labels"), [("", "run,Ana"), ("value", "run,Ana"), ("name", "verbs,who"), ("who", "Ana")]
)
def test_the_class_is_value_or_tier(tmp_path: Path, label_from: str, labels: str) -> None:
    who = tier("who", aligned(2, "t1", "t2", "Ana"), more=' PARTICIPANT="P1"')
    files = {"x.eaf": document(slots(t1=0, t2=500), tier("verbs", aligned(1, "t1", "t2", "run")), who)}
    found = read(tmp_path, files, label_from=label_from)
    assert ",".join(one.label for one in found.videos[0].annotations) == labels


def test_participants_of_a_recording_are_groups_if_asked_for(tmp_path: Path) -> None:
    tiers = [tier(who, aligned(n, "t1", "t2"), more=f' PARTICIPANT="{who}"') for n, who in enumerate(("P1", "P2"))]
    files = {"x.eaf": document(slots(t1=0, t2=500), *tiers)}
    assert [one.group for one in read(tmp_path, files).videos[0].annotations] == ["", ""]
    grouped = read(tmp_path, files, group_from="participant")
    assert [one.group for one in grouped.videos[0].annotations] == ["P1", "P2"]


def test_empty_values_are_noted_but_count_for_a_tier(tmp_path: Path) -> None:
    files = {"x.eaf": document(slots(t1=0, t2=500), tier("verbs", aligned(1, "t1", "t2", "")))}
    found = read(tmp_path, files)
    assert spans(found) == {"films/a.mp4": []}
    assert "without a value are left out" in found.notes[0]
    assert spans(read(tmp_path, files, label_from="name")) == {"films/a.mp4": [("verbs", 0, 0.5)]}


@pytest.mark.parametrize(("units", "seconds"), [("PAL-frames", 1.0), ("NTSC-frames", 25 * 1001 / 30000)])
def test_times_may_be_frames(tmp_path: Path, units: str, seconds: float) -> None:
    text = document(slots(t1=0, t2=25), tier("verbs", aligned(1, "t1", "t2")), units=units)
    [(_, _, end)] = spans(read(tmp_path, {"x.eaf": text}))["films/a.mp4"]
    assert end == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ((), "x"),
        (('MEDIA_URL="file:///C:/films/c d.mp4" MIME_TYPE="video/mp4"',), "c d.mp4"),
        (('MEDIA_URL="" RELATIVE_MEDIA_URL="file:///./e.mpg" MIME_TYPE="unknown"',), "e.mpg"),
        (('MEDIA_URL="x" RELATIVE_MEDIA_URL="..\\v\\f.mp4" MIME_TYPE="video/mp4"',), "../v/f.mp4"),
    ],
)
def test_media_are_named_by_their_relative_paths(tmp_path: Path, media: tuple[str, ...], name: str) -> None:
    text = document(slots(t1=0, t2=25), tier("verbs", aligned(1, "t1", "t2")), media=media)
    assert [*spans(read(tmp_path, {"x.eaf": text}))] == [name]


def test_references_that_lead_nowhere_are_problems(tmp_path: Path) -> None:
    content = tier(
        "v", aligned(1, "t1", "t9"), referring(2, "a3", "x"), referring(3, "a2", "x"), referring(4, "a9", "x")
    )
    text = problems_of(tmp_path, {"x.eaf": document(slots(t1=0), content)})
    assert "annotation a1 (line 6): time slot 't9' is not there" in text
    assert "annotation a2 (line 6): it refers to itself" in text
    assert "annotation a4 (line 6): it refers to annotation 'a9', which is not there" in text
    assert "did you mean 'v'?" not in text
    assert "TIME_UNITS 'days'" in problems_of(tmp_path, {"x.eaf": document(units="days")})
