"""Videos that have failed and are not mended, of this run and of earlier ones, as the log of a run tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from schemas.errors import EXAMPLES, examples
from schemas.outcomes import RETRY_HELPS, FailureCode

RETRY = "--retry-failed"


class OpenFailures:
    """Counts failures by code, and keeps the first ids of each; `earlier` are those of earlier runs, codes by id."""

    def __init__(self, earlier: Mapping[str, str]) -> None:
        self.earlier = 0
        self._is_retry_of_use = False  # for any of the earlier ones
        self._counts: Counter[str] = Counter()
        self._ids: dict[str, list[str]] = {}
        for name, code in earlier.items():
            self.add_earlier(name, code)

    def add_earlier(self, name: str, code: str) -> None:
        """Count the failure of a video in an earlier run."""
        self.earlier += 1
        self._is_retry_of_use |= _helps(code) is not None
        self.add(name, code)

    def add(self, name: str, code: str) -> None:
        """Count the failure of a video."""
        self._counts[code] += 1
        first = self._ids.setdefault(code, [])
        if len(first) <= EXAMPLES:  # one more than are shown, for the ellipsis
            first.append(name)

    def among(self, settled: int) -> str:
        """How many videos earlier runs have settled, and how many of these failed."""
        if not self.earlier:
            return f"{settled} settled before"
        offer = f" ({RETRY})" if self._is_retry_of_use else ""
        return f"{settled} settled before, of them {self.earlier} failed{offer}"

    def lines(self) -> Iterator[str]:
        """A line for each code: how many, the first ids, and what may mend them."""
        for code, count in sorted(self._counts.items()):
            condition = _helps(code)
            remedy = (
                "replace them, and the next run takes them up" if condition is None else f"{condition}: {RETRY} {code}"
            )
            yield f"  {count} × {code}: {examples(self._ids[code])} ({remedy})"


def _helps(code: str) -> str | None:
    """When another attempt may end otherwise; None where it cannot."""
    return RETRY_HELPS.get(FailureCode(code)) if code in set(FailureCode) else None
