"""Tests for cluster.timelines.events: every event equals that of a plain loop over classes and steps."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cluster.timelines.events import find_events
from schemas.timelines import Event, EventRules, Timeline, joined_timeline

Steps = dict[int, list[float]]


def timeline_of(steps: Steps, classes: int, step_seconds: float = 1.0, *, least: float = 0.0) -> Timeline:
    """The timeline of steps with the scores of every class, of which those above `least` are strong."""
    numbers = np.array(sorted(steps), np.int64)
    scores = np.array([steps[number] for number in sorted(steps)], np.float32)
    scores = scores.reshape(len(steps), classes)
    rows, places = np.nonzero(scores >= least)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :1]
    return Timeline(
        step_seconds,
        numbers,
        best,
        np.take_along_axis(scores, best, axis=1),
        numbers[rows],
        places,
        scores[rows, places],
        scores.sum(axis=0, dtype=np.float64),
    )


def of_one_class(scores: list[float | None], step_seconds: float = 1.0) -> Timeline:
    """The timeline of one class; None where a step is missing."""
    return timeline_of({k: [score] for k, score in enumerate(scores) if score is not None}, 1, step_seconds)


def slow_events(steps: Steps, classes: int, step: Fraction, rules: EventRules) -> list[Event]:
    """The same by definition: a state machine walks over every step of every class; times are fractions."""
    begin, last = (np.float32(value) for value in (rules.threshold, rules.end_threshold))
    found = []
    for place in range(classes):
        intervals: list[list[int]] = []
        inside = False
        for k in range(max(steps, default=-1) + 1):
            score = np.float32(steps[k][place]) if k in steps else None
            if score is None or score < last:
                inside = False
            elif inside:
                intervals[-1][1] = k + 1
            elif score >= begin:
                inside = True
                intervals.append([k, k + 1])
        merged: list[list[int]] = []
        for start, end in intervals:
            if merged and (start - merged[-1][1]) * step <= Fraction(str(rules.gap_seconds)):
                merged[-1][1] = end
            else:
                merged.append([start, end])
        for start, end in merged:
            if (end - start) * step < Fraction(str(rules.min_seconds)):
                continue
            inner = [np.float32(steps[k][place]) for k in range(start, end) if k in steps]
            counted = [float(score) for score in inner if score >= last]
            found.append(Event(float(start * step), float(end * step), place, sum(counted) / len(counted)))
    return sorted(found, key=lambda event: (event.start_seconds, event.place))


def assert_same(found: list[Event], expected: list[Event]) -> None:
    def parts(events: list[Event]) -> NDArray[np.float64]:
        rows = [(event.start_seconds, event.end_seconds, event.place, event.score) for event in events]
        return np.array(rows, np.float64).reshape(-1, 4)

    np.testing.assert_allclose(parts(found), parts(expected), rtol=1e-12, atol=0)


def mean(*scores: float) -> float:
    return float(np.array(scores, np.float32).mean(dtype=np.float64))


# Scores on and about the thresholds, where a comparison that is off by one shows.
SCORES = st.sampled_from([0.0, 0.2, 0.3, 0.39999, 0.4, 0.45, 0.49999, 0.5, 0.6, 0.7, 0.9, 1.0])
SECONDS = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 1.0, 1.5, 2.0, 3.0])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Steps, int, Fraction, EventRules]:
    classes = draw(st.integers(1, 4))
    numbers = draw(st.sets(st.integers(0, 30)))
    row = st.lists(SCORES, min_size=classes, max_size=classes)
    end, begin = sorted(draw(st.lists(st.sampled_from([0.2, 0.3, 0.4, 0.5, 0.7, 1.0]), min_size=2, max_size=2)))
    rules = EventRules(threshold=begin, end_threshold=end, min_seconds=draw(SECONDS), gap_seconds=draw(SECONDS))
    step = draw(st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(1, 3), Fraction(1, 2), Fraction(1001, 30000)]))
    return {number: draw(row) for number in numbers}, classes, step, rules


@settings(max_examples=400, deadline=None)
@given(cases())
def test_events_equal_those_of_a_plain_loop(case: tuple[Steps, int, Fraction, EventRules]) -> None:
    steps, classes, step, rules = case
    timeline = timeline_of(steps, classes, float(step))
    assert_same(find_events(timeline, rules), slow_events(steps, classes, step, rules))
    # Whether weaker scores are among the strong ones is all the same.
    weeded = timeline_of(steps, classes, float(step), least=rules.end_threshold)
    assert find_events(weeded, rules) == find_events(timeline, rules)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 30))
def test_a_cut_video_has_the_events_of_the_uncut_one(case: tuple[Steps, int, Fraction, EventRules], cut: int) -> None:
    steps, classes, step, rules = case
    parts = [
        timeline_of({k: row for k, row in steps.items() if (k < cut) == first}, classes, float(step))
        for first in (True, False)
    ]
    assert find_events(joined_timeline(parts), rules) == find_events(timeline_of(steps, classes, float(step)), rules)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_events_of_a_class_lie_apart_and_keep_the_rules(case: tuple[Steps, int, Fraction, EventRules]) -> None:
    steps, classes, step, rules = case
    events = find_events(timeline_of(steps, classes, float(step)), rules)
    assert events == sorted(events, key=lambda event: (event.start_seconds, event.place))
    for place in range(classes):
        own = [event for event in events if event.place == place]
        for event in own:
            assert event.end_seconds - event.start_seconds >= rules.min_seconds - 1e-9
            assert np.float32(rules.end_threshold) <= event.score <= 1
            first = steps[round(event.start_seconds / float(step))][place]
            assert np.float32(first) >= np.float32(rules.threshold)
        for event, following in pairwise(own):
            assert following.start_seconds - event.end_seconds > rules.gap_seconds - 1e-9


def test_hysteresis_holds_an_event_until_the_lower_threshold() -> None:
    events = find_events(of_one_class([0.45, 0.5, 0.45, 0.4, 0.39, 0.45]), EventRules())
    assert_same(events, [Event(1.0, 4.0, 0, mean(0.5, 0.45, 0.4))])


def test_a_missing_step_ends_an_event_unless_it_is_bridged() -> None:
    timeline = of_one_class([0.9, None, 0.7], 0.5)
    assert_same(find_events(timeline, EventRules()), [Event(0.0, 0.5, 0, mean(0.9)), Event(1.0, 1.5, 0, mean(0.7))])
    assert_same(find_events(timeline, EventRules(gap_seconds=0.5)), [Event(0.0, 1.5, 0, mean(0.9, 0.7))])


def test_of_a_bridged_gap_only_strong_steps_count() -> None:
    # 0.1 is too weak, None is missing, 0.45 is strong but began nothing.
    timeline = of_one_class([0.9, 0.1, None, 0.45, 0.6])
    assert_same(find_events(timeline, EventRules(gap_seconds=3)), [Event(0, 5, 0, mean(0.9, 0.45, 0.6))])
    assert len(find_events(timeline, EventRules(gap_seconds=2.9))) == 2


def test_length_is_judged_after_gaps_are_bridged() -> None:
    timeline = of_one_class([0.9, 0.1, 0.9, 0.1, 0.1, 0.9])
    rules = EventRules(min_seconds=3, gap_seconds=1)
    assert [(event.start_seconds, event.end_seconds) for event in find_events(timeline, rules)] == [(0, 3)]


def test_lengths_are_compared_in_whole_steps() -> None:
    timeline = of_one_class([0.9, 0.9, 0.9, 0, 0, 0, 0.9], 0.1)
    assert len(find_events(timeline, EventRules(min_seconds=0.3))) == 1
    assert len(find_events(timeline, EventRules(gap_seconds=0.3))) == 1


def test_more_classes_than_sixteen_bits_number() -> None:
    timeline = timeline_of({0: [0.9, 0.9], 1: [0.9, 0.1]}, 2)
    wide = replace(timeline, strong_places=timeline.strong_places * 70_000)
    assert [(event.place, event.end_seconds) for event in find_events(wide, EventRules())] == [(0, 2.0), (70_000, 1.0)]


def test_a_day_of_thousands_of_classes_takes_seconds() -> None:
    # 86,400 steps, 4,000 classes, 3 million strong scores in stretches of about ten steps.
    rng = np.random.default_rng(0)
    stretches = np.unique(rng.integers(0, 8_639 * 4_000, 300_000))
    keys = np.sort((stretches[:, None] // 4_000 * 10 + np.arange(10)) * 4_000 + stretches[:, None] % 4_000, axis=None)
    scores = rng.uniform(0.4, 1, len(keys)).astype(np.float32)
    timeline = replace(timeline_of({}, 0), strong_steps=keys // 4_000, strong_places=keys % 4_000, strong_scores=scores)
    begun = time.process_time()
    events = find_events(timeline, EventRules(gap_seconds=2))
    assert time.process_time() - begun < 10
    assert len(events) > 200_000
