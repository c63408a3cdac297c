"""Options of timelines: bounds, what goes with what, and the rules of events."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cluster.runs.command_line import parse
from cluster.scoring.config import ScoringOptions
from cluster.timelines.config import TimelineOptions, timeline_fingerprint
from schemas.errors import InputError

VIDEOS = ("--videos", "v", "--checkpoint", "c", "--labels", "l")
FEATURES = ("--features", "f", "--checkpoint", "c", "--labels", "l")


def problems_of(*arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(ScoringOptions, list(arguments))
    return str(caught.value)


def test_events_end_below_four_fifths_of_their_threshold_unless_another_is_given() -> None:
    rules = TimelineOptions(timeline=True, event_threshold=0.25).event_rules()
    assert (rules.threshold, rules.end_threshold) == (0.25, pytest.approx(0.2))
    options = parse(
        ScoringOptions,
        [*VIDEOS, "--timeline", "--event-threshold", "0.6", "--event-end-threshold", "0.5", "--event-gap-seconds", "2"],
    )
    rules = options.timelines.event_rules()
    assert (rules.threshold, rules.end_threshold, rules.gap_seconds, rules.min_seconds) == (0.6, 0.5, 2.0, 0.0)


def test_an_event_cannot_end_above_where_it_begins() -> None:
    text = problems_of(*VIDEOS, "--timeline", "--event-end-threshold", "0.7")
    assert "event-end-threshold is 0.7, it must be at most event-threshold, 0.5" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--timeline-hz", "2"],
        ["--memory-seconds", "60"],
        ["--stride", "1"],
        ["--event-threshold", "0.3"],
        ["--vtt", "v"],
        ["--events-csv", "e"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_options_of_timelines_go_with_the_flag(arguments: list[str]) -> None:
    assert f"{arguments[0]} goes with --timeline" in problems_of(*VIDEOS, *arguments)
    assert parse(ScoringOptions, [*VIDEOS, "--timeline", *arguments]).timelines.timeline


def test_problems_of_several_groups_are_told_at_once() -> None:
    text = problems_of(*VIDEOS, "--stride", "1", "--timeline-hz", "0", "--top-k", "0")
    assert "timeline-hz must be above 0 and finite, not 0" in text
    assert "top-k must be at least 1, not 0" in text
    assert "--stride goes with --timeline" in text


def test_what_has_no_meaning_beside_a_timeline_is_refused() -> None:
    text = problems_of(*VIDEOS, "--timeline", "--embeddings", "e", "--views", "3", "--crops", "3", "--window", "9")
    for name in ("--embeddings", "--views", "--crops"):
        assert f"{name} does not go with --timeline" in text
    assert "--window goes with --features" in text
    text = problems_of(*FEATURES, "--timeline", "--stride", "1", "--memory-seconds", "60")
    assert "--stride goes with --videos" in text
    assert "--memory-seconds goes with --videos and stream networks" in text


def test_a_memory_is_part_of_what_makes_timelines_comparable() -> None:
    plain = timeline_fingerprint("stream", Fraction(1), TimelineOptions())
    given = timeline_fingerprint("stream", Fraction(1), TimelineOptions(timeline=True, memory_seconds=60.0))
    assert given == {**plain, "timeline.memory_seconds": "60.0"}
    assert parse(ScoringOptions, [*FEATURES, "--timeline", "--window", "9"]).timelines.window == 9.0


def test_subtitles_and_labels_are_two_places() -> None:
    assert "labels and vtt must be two places, not both 'l'" in problems_of(*VIDEOS, "--timeline", "--vtt", "l/")
