"""Options of `jobs/watch.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from typing_extensions import override

from cluster.runs.common_options import ReportingOptions, memory_option
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.scoring.backend_choice import BACKEND_HELP, BACKEND_NAMES, backend_conflicts
from cluster.scoring.config import PRECISIONS
from cluster.storage import files
from extractors.live.source import SCHEMES, SourceKind, kind_of
from extractors.video.media import MAX_PIXELS


def is_source(name: str) -> bool:
    """Whether a name can be that of a source."""
    return bool(name.strip()) and (_is_file_uri(name) or kind_of(name) is not None)


def _is_file_uri(name: str) -> bool:
    return name.lower().startswith("file:") and files.has_scheme(name)


@dataclass(frozen=True)
class NetworkOptions(Options):
    """How the network runs."""

    precision: str = option("auto", help="precision of the network", choices=PRECISIONS)
    backend: str | None = option(None, help=BACKEND_HELP, choices=BACKEND_NAMES, common=True)
    threads: int | None = option(
        None, help="threads of the network on a CPU; by default one for each core but one", minimum=1, common=True
    )


@dataclass(frozen=True)
class ReceptionOptions(Options):
    """How the source is received."""

    timeout: float = option(
        10.0,
        help="seconds without data after which a stream from the network counts as broken",
        above=0,
        below=math.inf,
    )
    reconnects: int = option(
        10,
        help="attempts in a row to connect again when a stream breaks off, at growing intervals; 0 for none",
        minimum=0,
    )
    max_pixels: int = option(MAX_PIXELS, help="largest frame that is decoded, in pixels", minimum=1)


@dataclass(frozen=True)
class WatchOptions(Options):
    """One live view."""

    checkpoint: tuple[str, ...] = option(
        help="folder or URI of a trained classifier of clips, or its exported file (.onnx); the probabilities of "
        "several are averaged",
        filled=True,
        common=True,
    )
    source: str = option(
        help="a file, a camera (/dev/video0), or an address (rtsp://HOST/…); one with a password is better given "
        "in a --config file, which other users of the machine cannot list",
        must_be=f"a file, a camera such as /dev/video0, or an address ({', '.join(f'{each}://' for each in SCHEMES)})",
        accepts=is_source,
        common=True,
    )
    top_k: int = option(5, help="number of classes that are shown, and recorded", minimum=1, common=True)
    stride: float | None = option(
        None,
        help="seconds from one clip to the next, for networks that look at clips [default: 1]",
        above=0,
        below=math.inf,
    )
    memory_seconds: float | None = memory_option()
    record: str | None = option(
        None,
        help="write what was seen to this Parquet file, which must not exist",
        filled=True,
        is_written=True,
        common=True,
    )
    loop: bool = option(False, help="begin a file again at its end")
    duration: float | None = option(
        None, help="end after so many seconds; by default at the end of the source", above=0, below=math.inf
    )
    network: NetworkOptions = field(default_factory=NetworkOptions)
    reception: ReceptionOptions = field(default_factory=ReceptionOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        problems = []
        if self.loop and kind_of(self.source_name) is not SourceKind.FILE:
            problems.append("loop goes with a file: a camera or a stream has no beginning to go back to")
        if len(set(self.checkpoint)) < len(self.checkpoint):
            problems.append("checkpoint names the same folder more than once")
        network = self.network
        return [*problems, *backend_conflicts(self.checkpoint, network.backend, network.precision)]

    @property
    def source_name(self) -> str:
        """The source as a path or an address."""
        return files.local_path(self.source) if _is_file_uri(self.source) else self.source
