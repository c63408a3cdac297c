"""Delimited text as tools write it, with headers anywhere or none: its rows as lists of cells, with their lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from cluster.annotations.export import ExportFile
from cluster.annotations.findings import Findings
from cluster.datasets.manifest_rows import is_manifest, rows_of


def cells_of(file: ExportFile, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, each with the line it ends on."""
    return rows_in(lines_of(file), separator)


def lines_of(file: ExportFile) -> Iterator[str]:
    """The lines of a file with their ends; other separators, such as U+2028, are text in cells."""
    return iter(io.StringIO(file.text(), newline=""))


def rows_in(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of lines that are not blank."""
    reader = csv.reader(lines, delimiter=separator)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [cell.strip() for cell in cells]


def header_of(file: ExportFile) -> list[str]:
    """The names in the first line of a table, in lower case."""
    line = next(iter(file.first_lines(1)), "")
    separator = max("\t,;|", key=line.count)
    return [name.strip(' "\ufeff').lower() for name in line.split(separator)]


def named_rows(file: ExportFile, needed: Iterable[str], found: Findings) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The rows of a table with a header, by column in lower case, each with its place; `found` takes what is wrong.

    Cells are text; what a row lacks is empty. Raises `ValueError` for a table that lacks one of the columns `needed`.
    """
    columns: set[str] = set()
    for row in rows_of(file.name if is_manifest(file.name) else f"{file.name}.csv", file.content):
        place = f"{file.name}, {row.place}"
        if row.problem:
            found.wrong(f"{place}: {row.problem}")
            continue
        cells = {
            column.strip().lower(): "" if cell is None else str(cell).strip() for column, cell in row.cells.items()
        }
        if not columns:
            columns = {*cells}
            lacking = [column for column in needed if column not in columns]
            if lacking:
                there = ", ".join(map(repr, sorted(columns)))
                raise ValueError(f"it has no column {' or '.join(map(repr, lacking))} (there: {there})")
        yield place, cells
    if not columns:
        raise ValueError("it has no rows")
