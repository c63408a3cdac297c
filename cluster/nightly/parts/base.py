"""A part of a night: the extraction of features, or labels.

A part determines by itself what is left to do, so that the next night makes up for one that failed or was killed. A
night carries out the parts that are due, one after the other, each with the lease of the dataset that it writes to.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from classifiers.inference.base import Classifier
from classifiers.weights.checkpoint import CheckpointConfig
from cluster.datasets.increment import FailedBefore, Increment, Settled, is_replaced
from cluster.datasets.label_dataset import LabelDataset
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.outcome import PartOutcome
from cluster.runs.open_failures import OpenFailures
from cluster.storage.lease import Lease
from schemas.nights import NightCounts
from schemas.text import counted
from schemas.videos import Video, content_of, is_same_content

logger = logging.getLogger("framemill")


class NightPart(ABC):
    """One part.

    name       stands for it in messages, and in the fields of `NightRun`
    explained  where to look why it failed
    """

    name: ClassVar[str]
    explained: ClassVar[str]

    @property
    @abstractmethod
    def run_id(self) -> str:
        """The id of its run, where it is due."""

    @abstractmethod
    def is_due(self) -> bool:
        """Whether there is anything to do, or to clear after a run that died."""

    @abstractmethod
    def start(self) -> None:
        """Start the engine where it is needed, before anything is touched."""

    @abstractmethod
    def lease(self) -> AbstractContextManager[Lease]:
        """The lease of the dataset that it writes to. Raises `InputError` where another run is writing."""

    @abstractmethod
    def carry_out(self, lease: Lease) -> PartOutcome:
        """Do all that is left. Raises `InputError` or `OSError` where nothing can be written."""

    @abstractmethod
    def outcome_of(self, run_id: str) -> PartOutcome | None:
        """What an earlier run of this day did; None where its record is missing, or does not know the end yet."""

    @abstractmethod
    def tally(self, runs: DayRuns) -> tuple[int, int]:
        """How many videos of the day's runs have failed in it, and still do, and how many it has done."""

    @abstractmethod
    def log_settled(self) -> None:
        """Tell what is settled, where nothing is due."""


@dataclass(frozen=True)
class Standing:
    """Where the videos of a part stand.

    increment  those that are left
    failed     those that failed in earlier runs
    counts     those that are left, by the reason
    """

    increment: Increment
    failed: Mapping[str, FailedBefore]
    counts: NightCounts


class VideoPart(NightPart):
    """A part that works on the videos themselves."""

    def __init__(self, videos: Sequence[Video]) -> None:
        self.videos = videos
        self._standing: Standing | None = None

    @property
    def standing(self) -> Standing:
        """Where its videos stand, as read when this was first asked for, and again after it was carried out."""
        if self._standing is None:
            self._standing = self._read_standing()
        return self._standing

    @abstractmethod
    def _read_standing(self) -> Standing:
        """Where its videos stand now."""

    @override
    def carry_out(self, lease: Lease) -> PartOutcome:
        self._standing = None
        return self._carry_out(lease)

    @abstractmethod
    def _carry_out(self, lease: Lease) -> PartOutcome:
        """As `carry_out`."""

    @override
    def log_settled(self) -> None:
        failures = OpenFailures(self.standing.increment.failed)
        logger.info(f"{self.name}: {counted(len(self.videos), 'video')}, {failures.among(len(self.videos))}, 0 to do")
        for line in failures.lines():
            logger.info(line)

    def _still_failed(self, runs: DayRuns) -> int:
        failed, ids = self.standing.failed, runs.ids_of(self.name)
        return sum(video.id in failed and failed[video.id].run_id in ids for video in self.videos)


class LabelPart(NightPart):
    """A part that labels features or videos (`labels_of`), with `classifier`; `classes` are those of the labels."""

    name: ClassVar[str] = "scoring"
    explained: ClassVar[str] = "the log"
    labels_of: ClassVar[str]
    classifier: Classifier
    classes: CheckpointConfig

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Of what it looks at, where that is not extracted."""
        return {}

    @abstractmethod
    def dataset(self) -> LabelDataset | None:
        """The labels; None where there is nothing yet that could have any."""


def pending_counts(pending: Sequence[Video], known: Settled) -> NightCounts:
    """The videos that are left to do, by the reason; those that are `known`, and as they were, count for none."""
    new = changed = retried = 0
    for video in pending:
        done, failed = known.done.get(video.id), known.failed.get(video.id)
        if done is not None:
            changed += not is_same_content(done, content_of(video))
        elif failed is None:
            new += 1
        elif is_replaced(failed, video):
            changed += 1
        else:
            retried += 1
    return NightCounts(new=new, changed=changed, retried=retried)
