"""Values that options give by name, as NAME=VALUE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def named_values(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """What `option` was given: numbers, lists, true and false as JSON has them, and anything else as text.

    Raises:
        ValueError: for what is not NAME=VALUE.
    """
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise ValueError(f"{option} are NAME=VALUE, not {', '.join(map(repr, wrong))}")
    return {name: _value(value) for name, value in (text.split("=", 1) for text in texts)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
