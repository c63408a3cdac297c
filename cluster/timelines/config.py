"""Options of timelines, which scoring and the nightly run share, and their part of the fingerprint of labels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from typing_extensions import override

from classifiers.choices import NSFW, is_published
from cluster.runs.common_options import memory_option
from cluster.runs.option import option
from cluster.runs.options import Options
from schemas.timelines import EventRules

NSFW_CLASSES = ("hentai", "porn", "sexy")  # of the classifier that --sensitive stands for, those that count
NSFW_MIN_SECONDS = 2.0  # of a scene by it
END_SHARE = 0.8  # of the threshold at which an event begins, that at which it ends


@dataclass(frozen=True)
class TimelineOptions(Options):
    """Scores over the time of each video, and which events follow from them."""

    timeline: bool = option(
        False, help="beside the labels of a video, its scores over time, and events: classes and when they last"
    )
    sensitive: bool = option(
        False,
        help="find sensitive scenes: --timeline with two classes, harmless and sensitive, and a label for each video; "
        f"without --checkpoint by {NSFW}, which then has --stride 1 --event-min-seconds {NSFW_MIN_SECONDS:g}",
        common=True,
    )
    sensitive_class: tuple[str, ...] | None = option(
        None,
        help="classes of the checkpoint that count as sensitive; of a checkpoint with one class that one, of "
        f"{NSFW} {', '.join(NSFW_CLASSES)}",
        filled=True,
        goes_with="sensitive",
    )
    timeline_hz: float = option(
        1.0,
        help="steps of a timeline in a second, with stream networks and with features",
        above=0,
        below=math.inf,
        goes_with="timeline",
    )
    stride: float | None = option(
        None,
        help="with clip models that are no stream networks: seconds of a step, each scored by the clip at its middle",
        above=0,
        below=math.inf,
        goes_with="timeline",
    )
    window: float = option(
        5.0,
        help="with features: seconds around the middle of a step that its scores are of",
        above=0,
        below=math.inf,
        goes_with="timeline",
    )
    memory_seconds: float | None = memory_option(goes_with="timeline")
    timeline_top_k: int = option(5, help="highest number of classes of a step", minimum=1, goes_with="timeline")
    event_threshold: float = option(
        0.5, help="score from which an event of a class begins", above=0, maximum=1, goes_with="timeline"
    )
    event_end_threshold: float | None = option(
        None,
        help=f"score below which it ends; by default {END_SHARE:g} times the one from which it begins",
        above=0,
        maximum=1,
        goes_with="timeline",
    )
    event_min_seconds: float = option(
        0.0, help="leave out events that are shorter", minimum=0, below=math.inf, goes_with="timeline"
    )
    event_gap_seconds: float = option(
        0.0, help="join events of a class that are no further apart", minimum=0, below=math.inf, goes_with="timeline"
    )
    vtt: str | None = option(
        None,
        help="also write the events of each video to this folder, as subtitles (WebVTT)",
        filled=True,
        is_written=True,
        goes_with="timeline",
    )
    events_csv: str | None = option(
        None,
        help="also write all events of the day and model to this CSV file, for label tools",
        filled=True,
        is_written=True,
        goes_with="timeline",
    )

    @override
    def conflicts(self) -> list[str]:
        if self.sensitive and not self.timeline:
            return ["--sensitive goes with --timeline, which must not be false"]
        end = self.event_end_threshold
        if end is not None and end > self.event_threshold:
            return [
                f"event-end-threshold is {end:g}, it must be at most event-threshold, {self.event_threshold:g}: an "
                "event ends where its class falls below the one and begins where it reaches the other"
            ]
        return []

    @property
    def step_seconds(self) -> float:
        """Time that a step stands for."""
        return 1 / self.timeline_hz if self.stride is None else self.stride

    def event_rules(self) -> EventRules:
        """How events follow from timelines."""
        end = self.event_end_threshold
        return EventRules(
            threshold=self.event_threshold,
            end_threshold=END_SHARE * self.event_threshold if end is None else end,
            min_seconds=self.event_min_seconds,
            gap_seconds=self.event_gap_seconds,
        )


def sensitive_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """What `--sensitive` stands for, of the options of a job that are not `given`, by the names of their fields."""
    if not given.get("sensitive"):
        return {}
    checkpoint = given.get("checkpoint", (NSFW,))
    if not all(map(is_published, checkpoint)):
        return {"timeline": True}
    return {
        "timeline": True,
        "checkpoint": checkpoint,
        "sensitive_class": NSFW_CLASSES,
        "stride": 1.0,
        "event_min_seconds": NSFW_MIN_SECONDS,
    }


def timeline_fingerprint(kind: str, step_seconds: Fraction, options: TimelineOptions) -> dict[str, str]:
    """What must be equal for two timelines, and their events, to be comparable beside their classifiers.

    `kind` says what the scores of a step are of: `stream`, `windows` or `features`.
    """
    rules = options.event_rules()
    counting = json.dumps(sorted(options.sensitive_class or ()))
    sensitive = {"timeline.sensitive": counting} if options.sensitive else {}
    memory = {} if options.memory_seconds is None else {"timeline.memory_seconds": repr(options.memory_seconds)}
    return {
        "timeline.kind": kind,
        "timeline.step_seconds": str(step_seconds),
        "timeline.top_k": str(options.timeline_top_k),
        "timeline.event_threshold": repr(rules.threshold),
        "timeline.event_end_threshold": repr(rules.end_threshold),
        "timeline.event_min_seconds": repr(rules.min_seconds),
        "timeline.event_gap_seconds": repr(rules.gap_seconds),
        **memory,
        **sensitive,
    }
