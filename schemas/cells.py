"""Cells of CSV files whose text a spreadsheet would compute: an apostrophe in front keeps it text.

In: the text of a cell. Out: the text as it is written; `text_of_cell` gives it back. Cells of numbers are written as
they are. A spreadsheet computes what begins with `=`, `+`, `-` or `@`, also in full width and after spaces, and may
take a tab or a carriage return at the start for the end of a cell.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# Apostrophes in front belong to it, so that a text that had one before comes back too. As RE2 reads it, for Arrow.
COMPUTED = r"^('*(?:[\t\n\v\f\r ]*[=+@＝＋－＠-]|[\t\r]))"
ESCAPED = r"'\1"
_COMPUTED = re.compile(COMPUTED)


def cell_of_text(text: str) -> str:
    """How a text is written."""
    return _COMPUTED.sub(ESCAPED, text)


def text_of_cell(cell: str) -> str:
    """The text that was written as `cell`."""
    return cell[1:] if cell.startswith("'") and _COMPUTED.match(cell[1:]) else cell


def csv_lines(rows: Iterable[Sequence[str | float]]) -> bytes:
    """Rows as lines of a CSV file (RFC 4180, UTF-8): texts as cells that nothing computes, numbers as they are."""
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end in \r\n, so that it quotes both
    writer.writerows([cell_of_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode()
