"""Groups of options that jobs of every kind share."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.runs.options import Options, option
from schemas.outcomes import FailureCode


@dataclass(frozen=True)
class FailureOptions(Options):
    """What becomes of videos that fail."""

    retry_failed: tuple[str, ...] | None = option(
        None, help="retry failed videos: those with the given codes, or all", choices=tuple(FailureCode)
    )
    max_failure_ratio: float = option(
        0.1, help="exit with 3 if more of the videos than this have failed", minimum=0, maximum=1
    )


@dataclass(frozen=True)
class ReportingOptions(Options):
    """What a run logs."""

    quiet: bool = option(False, help="no progress")
    log_format: str = option("text", help="of progress on a server", choices=("text", "json"))
