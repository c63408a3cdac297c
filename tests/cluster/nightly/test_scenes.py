"""The scene of a video is the strongest step of the strongest event of its label."""

from __future__ import annotations

import pyarrow as pa

from cluster.nightly.scenes import Scenes
from schemas.timelines import EventRules
from tests.support.timelines import timeline_labels, timeline_of

FIRST, SECOND = (0.5, 0.25, 0.25), (0.25, 0.5, 0.25)  # scores of the three classes; the first one is the label
RULES = EventRules(threshold=0.5, end_threshold=0.5)


def scenes_of(table: pa.Table, shown: set[str], step_seconds: float = 1.0) -> dict[str, float]:
    scenes = Scenes(step_seconds)
    for batch in table.to_batches(2):
        scenes.add(batch, shown)
    return scenes.seconds


def test_the_strongest_step_of_the_strongest_event() -> None:
    steps = [FIRST, FIRST, SECOND, (0.75, 0.25, 0), (0.8, 0.2, 0), (0.7, 0.3, 0), (0.0, 0.1, 0.9), (0.79, 0, 0.21)]
    steps += [(0.5, 0.5, 0)]
    timeline = timeline_of(dict(enumerate(steps)), 0.5)
    assert scenes_of(timeline_labels({"a": timeline}, RULES), {"a"}, 0.5) == {"a": 2.25}


def test_videos_without_an_event_of_their_label_have_no_scene() -> None:
    table = timeline_labels({"a": timeline_of({0: SECOND, 1: SECOND}), "b": timeline_of({})}, RULES)
    assert scenes_of(table, {"a", "b"}) == {}
    unlabelled = timeline_labels({"a": timeline_of({0: FIRST})}, RULES)
    column = pa.array([[]], unlabelled.schema.field("labels").type)
    unlabelled = unlabelled.set_column(1, unlabelled.schema.field("labels"), column)
    assert unlabelled["events"][0].as_py()
    assert scenes_of(unlabelled, {"a"}) == {}


def test_a_class_that_is_none_of_the_best_of_its_steps() -> None:
    weak = (0.3, 0.35, 0.35)  # two classes a step are kept
    table = timeline_labels({"a": timeline_of({2: weak, 3: weak})}, EventRules(threshold=0.3, end_threshold=0.3))
    assert scenes_of(table, {"a"}) == {"a": 3.0}


def test_only_videos_that_are_shown_are_remembered() -> None:
    table = timeline_labels({name: timeline_of({number: FIRST}) for number, name in enumerate("abcd")}, RULES)
    assert scenes_of(table, {"b", "d"}) == {"b": 1.5, "d": 3.5}
    scenes = Scenes(1.0)
    (batch,) = table.to_batches()
    scenes.add(batch, {"a", "b"})
    scenes.add(batch.slice(2), {"b", "c"})
    assert scenes.seconds == {"b": 1.5, "c": 2.5}
