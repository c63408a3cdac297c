"""What is odd is found and told, with both numbers."""

from __future__ import annotations

from fractions import Fraction

from cluster.cutting.validation import Extended, claims, is_variable, meetings, spellings
from extractors.cutting.frame_list import FrameList
from schemas.annotations import AnnotatedVideo, Annotation, FrameRange
from schemas.cuttings import FindingCode


def frames_of(count: int = 100, gaps: int = 0, rate: Fraction = Fraction(25)) -> FrameList:
    timestamps = tuple(int(number * 1000 / rate) for number in range(count + 1))
    return FrameList(Fraction(1, 1000), timestamps[:-1], timestamps[-1], Fraction(0), rate, gaps == 0, gaps)


def test_claims_that_are_so_are_no_finding() -> None:
    nominal = Annotation("a", FrameRange(0, 1, Fraction(25)), "here")
    entry = AnnotatedVideo("a", (nominal,), frame_count=100, rate=Fraction(25), duration_seconds=Fraction("4.3"))
    assert list(claims("a", [entry], frames_of())) == []


def test_other_rates_lengths_and_damage_are_told() -> None:
    entry = AnnotatedVideo("a", (), frame_count=99, rate=Fraction(30), duration_seconds=Fraction(9))
    found = {finding.code: finding.message for finding in claims("a", [entry], frames_of(gaps=2))}
    assert found[FindingCode.OTHER_RATE] == "the export counts 30 frames a second, the video has 25"
    assert found[FindingCode.OTHER_LENGTH] == "the export says that it lasts 9.00 s; it lasts 4.00 s"
    assert found[FindingCode.DAMAGED].startswith("it is damaged in 2 places")
    ntsc = AnnotatedVideo("a", (Annotation("a", FrameRange(0, 1, Fraction(30)), ""),))
    (rate,) = claims("a", [ntsc], frames_of(rate=Fraction(30_000, 1001)))
    assert rate.message == "the export counts 30 frames a second, the video has 29.97"


def test_overlaps_and_nesting_are_counted() -> None:
    clips = [
        Extended(0, 10, "a"),
        Extended(5, 15, "b"),
        Extended(6, 9, "c"),
        Extended(15, 20, "d"),
        Extended(0, 10, "e"),
    ]
    found = {finding.code: finding.message for finding in meetings("v", clips)}
    assert found[FindingCode.OVERLAP].startswith("2 pairs of clips overlap: b and a")
    assert found[FindingCode.NESTING].startswith("4 pairs of clips lie within one another: e and a")
    assert list(meetings("v", [Extended(0, 5, "a"), Extended(5, 9, "b")])) == []


def test_many_clips_at_a_time_cost_no_more_than_the_limit() -> None:
    (found,) = meetings("v", [Extended(number, 100_000 + number, "x") for number in range(3000)])
    assert found.message.startswith("at least 10,")


def test_distances_that_vary_beyond_rounding() -> None:
    assert not is_variable(frames_of(rate=Fraction(30)))  # 33 and 34 ms
    uneven = FrameList(Fraction(1, 1000), (0, 40, 120), 160, Fraction(0), Fraction(75, 4), True, 0)
    assert is_variable(uneven)


def test_the_most_frequent_spelling_stands_for_the_others() -> None:
    labels = ["run", "Run", "run", "walk fast", "walk  fast", "Walk fast", "walk fast", "jump"]
    assert spellings(labels) == {"Run": "run", "Walk fast": "walk fast", "walk  fast": "walk fast"}
