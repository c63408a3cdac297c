"""Building blocks of the inline SVG charts.

In: numbers and texts. Out: `Markup`. Horizontal positions are percentages and vertical ones pixels, so text keeps its
size at every width without a script. Colours and fonts come from the page's style sheet, by class. Every chart has an
accessible description (`aria-label`).
"""

from __future__ import annotations

import math

from markupsafe import Markup

PLOT_HEIGHT = 190
PLOT_TOP = 22  # room for the label above the topmost line
PLOT_BOTTOM = PLOT_TOP + PLOT_HEIGHT

CHART = Markup('<svg class="chart" role="img" aria-label="{}" width="100%" height="{}">{}</svg>')
TEXT = Markup('<text x="{:.2f}%" y="{:.0f}" class="{}">{}</text>')
# A name of any length, which the style sheet shortens to the left part of the chart: text in SVG cannot be.
NAME = Markup(
    '<foreignObject x="0" y="{:.0f}" width="{}%" height="20"><div class="name" title="{}">{}</div></foreignObject>'
)
GRID = Markup('<line x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}" class="{1}"/>')
VERTICAL = Markup('<line x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:.1f}" y2="{2:.1f}" class="{3}"/>')
RECT = Markup(
    '<rect x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}" rx="{}" class="{}"><title>{}</title></rect>'
)
DOT = Markup('<circle cx="{:.2f}%" cy="{:.1f}" r="{:.1f}" class="{}"><title>{}</title></circle>')
# A box of 1000 x 1000 that is stretched to the plot; strokes keep their width.
_BOX = Markup('<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>')
PATH = Markup('<path d="{}" class="{}" vector-effect="non-scaling-stroke"/>')


def plot(paths: Markup) -> Markup:
    """Stretch paths in coordinates of 1000 x 1000 to the plot."""
    return _BOX.format(PLOT_TOP, PLOT_HEIGHT, paths)


def nice_step(least: float) -> float:
    """Round up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


_INLINE_BAR = Markup('<svg class="inline-bar" aria-hidden="true" width="100%" height="14">{}</svg>')
_BAR = Markup('<rect x="0" y="3" width="{:.2f}%" height="8" rx="4" class="{}"/>')
_DEVIATION = Markup('<rect x="{:.2f}%" y="6" width="{:.2f}%" height="2" class="deviation"/>')
_END = Markup('<rect x="{:.2f}%" y="3" width="1.5" height="8" class="deviation"/>')


def inline_bar(share: float, deviation: float | None = None, style: str = "fill") -> Markup:
    """Draw a bar of length `share`, with a whisker of one `deviation` to both sides, clipped to 0..1."""
    pieces = [_BAR.format(100, "track")]
    if share > 0:
        pieces.append(_BAR.format(100 * min(share, 1.0), style))
    if deviation is not None:
        low, high = max(share - deviation, 0.0), min(share + deviation, 1.0)
        pieces += [_DEVIATION.format(100 * low, 100 * (high - low))]
        pieces += [_END.format(99.5 * end) for end in (low, high)]
    return _INLINE_BAR.format(Markup("").join(pieces))
