"""Options of `jobs/export_model.py` and `jobs/join_streams.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from typing_extensions import override

from cluster.runs.common_options import AccessOptions, FolderOptions, ReportingOptions, memory_option, read_policy
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage.read_policy import ReadPolicy
from schemas.exports import FP32, INT8, PRECISIONS

ONNX, LITERT = "onnx", "litert"
SUFFIXES = {ONNX: ".onnx", LITERT: ".tflite"}  # by format


@dataclass(frozen=True)
class ExportOptions(Options):
    """One export."""

    checkpoint: str = option(help="folder or URI of a trained clip classifier", filled=True, common=True)
    output: str = option(
        help="file or URI to write, .onnx or .tflite; OUTPUT.json beside it has the checks",
        filled=True,
        is_written=True,
        common=True,
    )
    format: str = option(ONNX, help="format of the file", choices=tuple(SUFFIXES), common=True)
    precision: str = option(FP32, help="fp32, or 8-bit integers calibrated on clips", choices=PRECISIONS, common=True)
    calibration: tuple[str, ...] = option(
        (), help="videos to calibrate int8 on: folders, globs, files or manifests", common=True
    )
    check: tuple[str, ...] = option((), help="videos on which the file must agree with the checkpoint", common=True)
    memory_seconds: float | None = memory_option()
    max_videos: int = option(
        100, help="use at most so many of the videos, evenly spread over the list, of each of the two", minimum=1
    )
    min_agreement: float = option(
        0.9,
        help="fraction of the videos to check on whose best class must be the checkpoint's; fp32 must agree in numbers",
        minimum=0,
        maximum=1,
    )
    converter_python: str = option(
        "", help="Python of an environment with litert-torch, for --format litert (default: that in the cache)"
    )
    install_converter: bool = option(
        False, help="make that environment in the cache if it is not there: 2.1 GB, once, for --format litert"
    )
    time_limit: float = option(120.0, help="seconds that decoding one video may take", above=0, below=math.inf)
    memory_limit_mib: int = option(2048, help="MiB of memory that decoding one video may take", minimum=1)
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        problems = []
        suffix = SUFFIXES[self.format]
        if not self.output.lower().endswith(suffix):
            problems.append(f"output must end in {suffix} with --format {self.format}, not be {self.output!r}")
        if self.precision == INT8 and not self.calibration:
            problems.append(
                "--precision int8 needs --calibration: some dozens of videos like those that the network will see"
            )
        if self.precision != INT8 and self.calibration:
            problems.append("--calibration goes with --precision int8; to compare on videos, give --check")
        if self.precision == INT8 and self.format != ONNX:
            problems.append(f"--format {self.format} is written in fp32 only: for int8, give --format {ONNX}")
        if self.memory_seconds is not None and self.format != ONNX:
            problems.append(
                f"--format {self.format} cannot hold --memory-seconds: give --format {ONNX}, or leave it out"
            )
        if self.format != LITERT and (self.converter_python or self.install_converter):
            problems.append("--converter-python and --install-converter go with --format litert")
        if self.converter_python and self.install_converter:
            problems.append("--converter-python names an environment, --install-converter makes one: give one of them")
        return problems

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)


@dataclass(frozen=True)
class JoinOptions(Options):
    """One join of two trainings (`cluster.export.stream_join`)."""

    rgb: str = option(help="output of the training of an i3d", filled=True)
    flow: str = option(help="output of the training of an i3d-flow with the same classes and clips", filled=True)
    output: str = option(help="folder or URI of the checkpoint of both", filled=True, is_written=True)
