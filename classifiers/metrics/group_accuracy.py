"""Accuracy by group: by person, recording or whatever else videos have in common.

In: batches of scored videos with their ids. Out: a row for each group, the lowest accuracy first. In the multi-label
case a video counts as correct if its top class is one of its labels, as for hit@1. Videos of no group are left out.

State: two numbers per group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import GroupScore


@dataclass(frozen=True)
class VideoGroups:
    """The groups of videos by id, and the number of training videos by group."""

    of: Mapping[str, str] = field(default_factory=dict)
    training_videos: Mapping[str, int] = field(default_factory=dict)


NO_GROUPS = VideoGroups()


class GroupAccuracy:
    """Counts videos and correct ones by group; mergeable among workers."""

    def __init__(self, groups: VideoGroups = NO_GROUPS) -> None:
        self._groups = groups
        self._counts: dict[str, tuple[int, int]] = {}

    def update(self, batch: ScoredBatch, ids: Sequence[str]) -> None:
        """Add the videos of a batch; ignored without ids."""
        correct = batch.are_correct(batch.top_class[:, None])[:, 0].tolist()
        for name, is_correct in zip(ids, correct, strict=bool(ids)):
            group = self._groups.of.get(name, "")
            if group:
                self.merge({group: (1, int(is_correct))})

    def state(self) -> dict[str, tuple[int, int]]:
        """Videos and correct ones by group, to be sent to another process."""
        return dict(self._counts)

    def merge(self, state: Mapping[str, tuple[int, int]]) -> None:
        """Add the `state` of another worker."""
        for group, (videos, correct) in state.items():
            before = self._counts.get(group, (0, 0))
            self._counts[group] = (before[0] + videos, before[1] + correct)

    def rows(self) -> tuple[GroupScore, ...]:
        """The groups in ascending order of accuracy, the larger first where it is equal."""
        rows = (
            GroupScore(
                group=group, videos=videos, correct=correct, training_videos=self._groups.training_videos.get(group, 0)
            )
            for group, (videos, correct) in self._counts.items()
        )
        return tuple(sorted(rows, key=lambda row: (row.accuracy, -row.videos, row.group)))
