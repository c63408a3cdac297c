"""The colours that tell classes apart on light and dark pages: the CSS classes of `templates/timeline_style.html`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """A colour on light and on dark ground."""

    light: str
    dark: str


# The CSS classes `hue-0`, which is grey, to `hue-8`; neighbours differ in lightness, too.
COLOURS = (
    Colour("#b4b9b5", "#5c666d"),
    Colour("#2b6c8c", "#74b6d3"),
    Colour("#e09a3e", "#f0b35f"),
    Colour("#3c7f60", "#6cb894"),
    Colour("#c76a8f", "#e79ab9"),
    Colour("#7a5aa6", "#b39ade"),
    Colour("#c2b23a", "#d9cb62"),
    Colour("#8a4f2d", "#cf9470"),
    Colour("#5fb3b3", "#8fdad6"),
)
OTHERS = "hue-0"
