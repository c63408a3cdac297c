"""Groups of options that jobs of every kind share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage.exclusion import is_pattern
from cluster.storage.read_policy import ReadPolicy
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
    follow_links: bool = option(
        False, help="take in what links in a folder lead to outside of it, such as folders of classes kept elsewhere"
    )

    def given(self) -> list[str]:
        """The names of those that are given."""
        return [name for name, value in (("exclude", self.exclude), ("follow-links", self.follow_links)) if value]


@dataclass(frozen=True)
class AccessOptions(Options):
    """What an input may reach, and how much is copied of it."""

    allow_local_files: bool = option(
        False, help="let a manifest that is read from elsewhere name files of the machines that the job runs on"
    )
    allow_private_redirects: bool = option(
        False, help="let servers redirect to addresses of a narrower network than their own, such as private ones"
    )
    copy_limit_mib: int = option(
        16384, help="largest file that is copied from an http server which sends no parts of files, in MiB", minimum=1
    )
    copy_time_limit: float = option(600.0, help="seconds that such a copy may take", above=0, below=math.inf)


def read_policy(folders: FolderOptions, access: AccessOptions) -> ReadPolicy:
    """How far the reading of the input goes."""
    return ReadPolicy(
        follow_links=folders.follow_links,
        allow_local_files=access.allow_local_files,
        allow_private_redirects=access.allow_private_redirects,
        copy_bytes=access.copy_limit_mib << 20,
        copy_seconds=access.copy_time_limit,
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


def videos_option() -> Any:
    """The input of jobs that work on videos."""
    return option(
        help="videos: folder, glob, bucket prefix, single video, .tar of videos, or manifest "
        "(.csv, .tsv, .jsonl, .parquet)",
        filled=True,
        common=True,
    )


def memory_option(**rule: Any) -> Any:
    """How far stream networks look back, wherever they watch; `rule` adds to its rule."""
    return option(
        None,
        help="let stream networks forget: after so many seconds, what they have seen begins to fade; by default their "
        "means are of all frames so far",
        above=0,
        maximum=10_000_000,
        **rule,
    )
