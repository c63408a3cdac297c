"""Error rates by group: by speaker, recording or whatever else videos have in common.

In: texts and what was read of them, with the ids of their videos. Out: a row for each group, the highest word error
rate first. Videos of no group are left out, and groups whose sentences are all empty.

State: that of `ErrorRates` per group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from classifiers.metrics.group_accuracy import NO_GROUPS, VideoGroups
from classifiers.text.error_rates import ErrorRates
from schemas.text_results import GroupErrors


class GroupErrorRates:
    """Counts errors by group; mergeable among workers."""

    def __init__(self, groups: VideoGroups = NO_GROUPS) -> None:
        self._groups = groups
        self._rates: defaultdict[str, ErrorRates] = defaultdict(ErrorRates)

    def update(self, name: str, text: str, read: str) -> None:
        """Add the video `name`; ignored if it is of no group."""
        group = self._groups.of.get(name, "")
        if group:
            self._rates[group].update(text, read)

    def state(self) -> dict[str, Any]:
        """The errors by group, to be sent to another process."""
        return {group: rates.state() for group, rates in self._rates.items()}

    def merge(self, state: Mapping[str, Any]) -> None:
        """Add the `state` of another worker."""
        for group, rates in state.items():
            self._rates[group].merge(rates)

    def rows(self) -> tuple[GroupErrors, ...]:
        """The groups in descending order of the word error rate, the larger first where it is equal."""
        rows = (
            GroupErrors(
                group=group,
                videos=rates.sentences,
                characters=rates.characters.length,
                character_errors=rates.characters.total,
                words=rates.words.length,
                word_errors=rates.words.total,
                training_videos=self._groups.training_videos.get(group, 0),
            )
            for group, rates in self._rates.items()
            if rates.words.length
        )
        return tuple(sorted(rows, key=lambda row: (-row.word_error_rate, -row.videos, row.group)))
