"""Which format an export has, by the content of its first files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.annotations.base import AnnotationError, Format
from cluster.annotations.export import ARCHIVES, Export, ExportFile
from schemas.errors import examples

LOOKED_AT = 20  # files with an extension, by which a folder is recognised


def files_of(export: Export, one: Format) -> list[ExportFile]:
    """The files of an export that are of a format; a single file without being asked."""
    return [file for file in export.with_suffix(one.suffixes) if not export.is_folder or is_of(file, one)]


def is_of(file: ExportFile, one: Format) -> bool:
    """Whether a file is of a format."""
    try:
        return file.name.lower().endswith(one.suffixes) and one.is_file(file)
    except ValueError:
        return False


def detect(export: Export, formats: Iterable[Format]) -> Format:
    """The format of an export. Raises `AnnotationError` where it is none or may be several."""
    known = [*formats]
    candidates = [
        one for one in known if any(is_of(file, one) for file in export.with_suffix(one.suffixes)[:LOOKED_AT])
    ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = " or ".join(f"{one.name} ({one.summary})" for one in candidates)
        raise AnnotationError(export.uri, [f"it may be {names}: say which with --format"])
    raise AnnotationError(export.uri, [*_mistakes(export.files), *_unknown(export, known)])


def _mistakes(files: Sequence[ExportFile]) -> list[str]:
    """What keeps the first files from being read at all."""
    problems = []
    for file in files[:LOOKED_AT]:
        archive = next((kind for magic, kind in ARCHIVES.items() if file.head.startswith(magic)), "")
        if archive:
            problems.append(f"{file.name} is {archive}: unpack it")
        elif file.name.lower().endswith(".json"):
            try:
                file.json()
            except ValueError as error:
                problems.append(f"{file.name}: {error}")
    return problems


def _unknown(export: Export, formats: Sequence[Format]) -> list[str]:
    if not export.files:
        return ["there is no file"]
    names = examples([file.name for file in export.files])
    what = f"none of its files ({names}) has a format" if export.is_folder else "it has no format"
    listed = "; ".join(f"{one.name}: {one.summary} ({', '.join(one.suffixes)})" for one in formats)
    return [f"{what} that is recognised: name it with --format, one of {listed}"]
