"""A table as a CSV file inside its page: a `data:` link, which a browser saves without a script or a server.

In: names of columns, and rows of texts and numbers. Out: the text of the `href`. The file is UTF-8 with a byte order
mark, which spreadsheets ask for. A text that a spreadsheet would compute gets an apostrophe in front (`schemas.cells`).
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence

from cluster.reports.pages import escape_invisible
from schemas.cells import cell_of_text


def csv_link(columns: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> str:
    """The link to a file with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return f"data:text/csv;base64,{base64.b64encode(text.getvalue().encode('utf-8-sig')).decode()}"


def _cell(value: str | float | None) -> str | float | None:
    if not isinstance(value, str):
        return value
    return cell_of_text(escape_invisible(value))
