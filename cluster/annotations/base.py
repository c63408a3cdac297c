"""What all readers of annotations share: their options, their error, and how a format is declared.

A reader takes the files of an export that are of its format and returns an `AnnotationSet`. What is wrong with them is
one `AnnotationError` with all of it; what is only odd stays in the rows, and what is left out becomes a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from cluster.annotations.export import Export, ExportFile
from cluster.datasets.manifest_videos import ManifestError
from schemas.annotations import AnnotationSet

NAME, VALUE = "name", "value"  # what `label_from` may be besides a name of the export's own


class AnnotationError(ManifestError):
    """An export that cannot be read; `lines` lists everything that is wrong with it."""


@dataclass(frozen=True)
class ReadOptions:
    """What an export does not say by itself.

    frame_rate  frames per second of its frame numbers, where these count a nominal rate
    label_from  where the class stands: `name` of the tag, track or tier, its `value`, or the name of one tag,
                attribute, control or tier, whose values alone are then the classes; empty for the format's own way
    group_from  the attribute whose value groups annotations for splits (a person, a recording); empty for the
                format's own
    """

    frame_rate: Fraction | None = None
    label_from: str = ""
    group_from: str = ""


Reader: TypeAlias = Callable[[Export, Sequence[ExportFile], ReadOptions], AnnotationSet]


@dataclass(frozen=True)
class Format:
    """A format of annotations.

    name              as `--format` takes it
    summary           for help and messages
    suffixes          extensions of its files, in lower case
    is_file           whether a file with such an extension is one, by its content; may raise `ValueError` for no
    read              its reader
    takes_frame_rate  whether `ReadOptions.frame_rate` means something to it
    takes_label_from  likewise
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    is_file: Callable[[ExportFile], bool]
    read: Reader
    takes_frame_rate: bool = False
    takes_label_from: bool = False
