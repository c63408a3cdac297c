"""Heat map: a square matrix of classes by classes, in colours.

In: the classes' names, and cells with a shade from -1 to 1 (its sign chooses the colour), a text and a tooltip.
Out: `Markup`: names as HTML, which the style sheet truncates (the full name is in the title), and cells as one `<svg>`
that is square at every width. The number of classes determines the size of cells and the lines of text in them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

# Largest number of classes, CSS class, lines of text in a cell.
SIZES = ((4, "few", 2), (12, "some", 2), (25, "more", 1), (64, "many", 0))
MAX_CLASSES = SIZES[-1][0]
DARK = 0.8  # shade above which text has the colour of the background, for contrast

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
    """One cell; `text` is its first line, `note` a second, smaller one."""

    row: int
    column: int
    shade: float
    title: str
    text: str = ""
    note: str = ""


def heat_map(names: Sequence[str], cells: Iterable[Cell], *, rows: str, columns: str, description: str) -> Markup:
    """Draw the cells; `rows` and `columns` name the axes, such as `true` and `predicted`.

    Raises:
        ValueError: for more classes than can be distinguished.
    """
    if not 0 < len(names) <= MAX_CLASSES:
        raise ValueError(f"a heat map of {len(names)} classes; 1 to {MAX_CLASSES} can be drawn: show a table instead")
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
        contrast = " inverse" if abs(cell.shade) > DARK else ""
        for line, text in enumerate(shown):
            down = "0.35em" if len(shown) == 1 else ("-0.15em", "1.15em")[line]
            pieces.append(_TEXT.format(*place, down, ("value", "note")[line] + contrast, text))
    labels = Markup("").join(_NAME.format(name, name) for name in names)
    return _MAP.format(style, len(names), rows, columns, labels, labels, description, Markup("").join(pieces))


def scale(steps: Iterable[tuple[float, str]]) -> Markup:
    """Draw a legend of shades, each with its label."""
    patches = ((_PATCH.format(*_style(shade)), label) for shade, label in steps)
    return _SCALE.format(Markup("").join(_STEP.format(patch, label) for patch, label in patches))


def _style(shade: float) -> tuple[str, float]:
    return "cell up" if shade >= 0 else "cell down", abs(shade)
