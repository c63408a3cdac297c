"""Options for `.tfrecord` files, shared by the jobs that read them."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.runs.option import option
from cluster.runs.options import Options
from schemas.quantization import CodeRange


def _is_range(text: str) -> bool:
    try:
        CodeRange.parse(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class RecordOptions(Options):
    """How `.tfrecord` files are read."""

    code_range: str | None = option(
        None,
        help="range of the features that 8-bit codes in .tfrecord files stand for, as LOW..HIGH; by default that of "
        "YouTube-8M, -2..2",
        must_be="two numbers LOW..HIGH, such as -1..3",
        accepts=_is_range,
        goes_with="features",
    )

    def range(self) -> CodeRange | None:
        """The range; None for the default."""
        return None if self.code_range is None else CodeRange.parse(self.code_range)
