"""What was read of a sentence, for pages: beside a preview, and with its wrong characters marked."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape

from classifiers.text.edits import edit_pairs
from cluster.reports.pages import base64_text, escape_invisible
from extractors.video.animation import first_frame

MISSING = "·"  # in what was read, for a character that was said
MAX_CHARACTERS = 400  # of a text that is shown, and compared
_WRONG = Markup("<mark>{}</mark>")


def sentence_row(name: str, uri: str, text: str, read: str, preview: bytes | None) -> dict[str, Any]:
    """The variables of the macro `sentence`; `text` is empty where it is unknown."""
    is_long = max(len(text), len(read)) > MAX_CHARACTERS
    shown = marked(text, read) if text and not is_long else shortened(read)
    return {
        "id": name,
        "uri": uri,
        "text": shortened(text),
        "read": shown if read else "",
        "preview": base64_text(preview),
        "still": base64_text(None if preview is None else first_frame(preview)),
    }


def marked(text: str, read: str) -> Markup:
    """What was read of a text, its wrong characters marked."""
    pieces = []
    for said, seen in edit_pairs(text, read):
        shown = escape_invisible(seen) if seen is not None else MISSING
        pieces.append(escape(shown) if said == seen else _WRONG.format(shown))
    return Markup("").join(pieces)


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
