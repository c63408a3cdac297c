"""Heat map: a square table of classes by classes, as colours.

In: the classes' names and the cells that are to be seen: a shade between -1 and 1 (below 0 one colour, above it the
other, 0 none), what stands in it, and what it tells when pointed at.
Out: `Markup`: names as HTML, which the style sheet cuts where they are too long (whole in the title), and cells as one
`<svg>` that is square at every width. How large cells are, and what is written in them, depends on how many there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

# Up to so many classes: the style, and whether there is room for one line of text in a cell, or for two.
SIZES = ((4, "few", 2), (12, "some", 2), (25, "more", 1), (64, "many", 0))
MOST_CLASSES = SIZES[-1][0]
DARK = 0.8  # above it, text is written in the colour of the ground: there both have the same contrast

_MAP = Markup(
    '<div class="heat {}" style="--classes:{}"><div class="corner"><span>{} ↓</span><span>{} →</span></div>'
    '<div class="columns" aria-hidden="true">{}</div><div class="rows" aria-hidden="true">{}</div>'
    '<svg class="cells" role="img" aria-label="{}" width="100%" height="100%">{}</svg></div>'
)
_NAME = Markup('<span title="{}"><bdi>{}</bdi></span>')
_CELL = Markup(
    '<rect x="{:.3f}%" y="{:.3f}%" width="{:.3f}%" height="{:.3f}%" class="{}" fill-opacity="{:.3f}">'
    "<title>{}</title></rect>"
)
_LINE = Markup('<line x1="{:.3f}%" x2="{:.3f}%" y1="{:.3f}%" y2="{:.3f}%" class="grid"/>')
_TEXT = Markup('<text x="{:.3f}%" y="{:.3f}%" dy="{}" class="{}">{}</text>')
_SCALE = Markup('<ul class="legend scale">{}</ul>')
_STEP = Markup('<li><svg width="14" height="14" aria-hidden="true">{}</svg>{}</li>')
_PATCH = Markup('<rect width="14" height="14" rx="3" class="{} patch" fill-opacity="{:.3f}"/>')


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One colour; `text` is the line in it, `note` a second and smaller one."""

    row: int
    column: int
    shade: float
    title: str
    text: str = ""
    note: str = ""


def heat_map(names: Sequence[str], cells: Iterable[Cell], *, rows: str, columns: str, spoken: str) -> Markup:
    """Draw the cells; `rows` and `columns` say what the classes are there, such as `true` and `given`.

    Raises:
        ValueError: for more classes than can be told from each other.
    """
    if not 0 < len(names) <= MOST_CLASSES:
        raise ValueError(f"a heat map of {len(names)} classes; 1 to {MOST_CLASSES} can be drawn: show a table instead")
    style, lines = next((style, lines) for most, style, lines in SIZES if len(names) <= most)
    width = 100 / len(names)
    edges = [i * width for i in range(len(names) + 1)]
    pieces = [_LINE.format(*ends) for edge in edges for ends in ((0, 100, edge, edge), (edge, edge, 0, 100))]
    for cell in cells:
        pieces.append(
            _CELL.format(cell.column * width, cell.row * width, width, width, *_style(cell.shade), cell.title)
        )
        place = ((cell.column + 0.5) * width, (cell.row + 0.5) * width)
        shown = [text for text in (cell.text, cell.note) if text][:lines]
        on = " on" if abs(cell.shade) > DARK else ""
        for line, text in enumerate(shown):
            down = "0.35em" if len(shown) == 1 else ("-0.15em", "1.15em")[line]
            pieces.append(_TEXT.format(*place, down, ("value", "note")[line] + on, text))
    labels = Markup("").join(_NAME.format(name, name) for name in names)
    return _MAP.format(style, len(names), rows, columns, labels, labels, spoken, Markup("").join(pieces))


def scale(steps: Iterable[tuple[float, str]]) -> Markup:
    """Draw what shades mean, each with its words."""
    patches = ((_PATCH.format(*_style(shade)), words) for shade, words in steps)
    return _SCALE.format(Markup("").join(_STEP.format(patch, words) for patch, words in patches))


def _style(shade: float) -> tuple[str, float]:
    return "cell up" if shade >= 0 else "cell down", abs(shade)
