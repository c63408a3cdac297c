"""Groups of options that jobs of every kind share."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage.exclusion import is_pattern
from schemas.outcomes import FailureCode


@dataclass(frozen=True)
class FolderOptions(Options):
    """Which files of a folder, glob or bucket prefix are videos to work on."""

    exclude: tuple[str, ...] = option(
        (),
        help="leave out files and folders whose name, or path below the input, matches: trailers '*.part.mp4' '2019/*'",
        must_be="a name or a path with wildcards, where ** stands for folders, between slashes",
        accepts=is_pattern,
    )


@dataclass(frozen=True)
class FailureOptions(Options):
    """How failed videos are treated."""

    retry_failed: tuple[str, ...] | None = option(
        None, help="retry failed videos: those with the given failure codes, or all", choices=tuple(FailureCode)
    )
    max_failure_ratio: float = option(
        0.1, help="fraction of failed videos above which the exit code is 3", minimum=0, maximum=1
    )


@dataclass(frozen=True)
class ReportingOptions(Options):
    """What a run logs, and how."""

    quiet: bool = option(False, help="log warnings and errors only")
    log_format: str = option(
        "text",
        help="format of log and progress lines; on a terminal, text shows a progress bar",
        choices=("text", "json"),
    )
