"""What is left out of an input, for its log: files that are no videos, and what tars hold besides, or did not show."""

from __future__ import annotations

import logging
from collections import Counter

from cluster.datasets.tar_videos import Unpacked
from cluster.storage.redaction import redacted_uri
from schemas.errors import EXAMPLES, examples
from schemas.text import counted

logger = logging.getLogger("framemill")


def described(others: Counter[str]) -> str:
    """Files that do not count as videos, as text: `12 .txt, 3 .jpg, 1 without an extension`."""
    parts = [f"{count} {suffix or 'without an extension'}" for suffix, count in others.most_common(EXAMPLES)]
    return ", ".join([*parts, *(["…"] if len(others) > EXAMPLES else [])])


class TarAccount:
    """The tars that have been unpacked.

    count   how many they are
    unread  those that could not be read to their end
    others  the number of their members that do not count as videos, by extension
    """

    def __init__(self) -> None:
        self.count = 0
        self.unread: list[str] = []
        self.others: Counter[str] = Counter()
        self._unread_labels: list[str] = []

    def add(self, found: Unpacked) -> None:
        """Count what has been unpacked."""
        self.count += found.tars
        self.unread += found.unread
        self.others += found.others
        self._unread_labels += found.unread_labels

    @property
    def unread_share(self) -> float:
        """The fraction of tars that could not be read to their end."""
        return len(self.unread) / max(self.count, 1)

    def log(self) -> None:
        """Log what is missing, and what was left out."""
        if self.unread:
            logger.warning(
                f"{counted(len(self.unread), 'tar')} not readable to the end, and what is left there is missing from "
                f"this run: {examples([redacted_uri(uri) for uri in self.unread])}"
            )
        if self.others:
            logger.info(f"left out of tars, as their extensions are not those of videos: {described(self.others)}")
        if self._unread_labels:
            logger.warning(
                f"{counted(len(self._unread_labels), 'label')} of tars left out, without a class index: "
                f"{examples(self._unread_labels)}"
            )
