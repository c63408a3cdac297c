"""Pieces of inline SVG that all charts are put together from.

In: numbers and texts. Out: `Markup`. Positions across are percentages and positions down are pixels, so that text keeps
its size at every width and nothing needs a script. Colours and fonts come from the page's style sheet by class. What
the picture shows is also said in words (`aria-label`).
"""

from __future__ import annotations

import math

from markupsafe import Markup

PLOT_HEIGHT = 190
PLOT_TOP = 22  # room for the topmost label, which stands on its line
PLOT_BOTTOM = PLOT_TOP + PLOT_HEIGHT

CHART = Markup('<svg class="chart" role="img" aria-label="{}" width="100%" height="{}">{}</svg>')
TEXT = Markup('<text x="{:.2f}%" y="{:.0f}" class="{}">{}</text>')
GRID = Markup('<line x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}" class="{1}"/>')
UPRIGHT = Markup('<line x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:.1f}" y2="{2:.1f}" class="{3}"/>')
RECT = Markup(
    '<rect x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}" rx="{}" class="{}"><title>{}</title></rect>'
)
DOT = Markup('<circle cx="{:.2f}%" cy="{:.1f}" r="{:.1f}" class="{}"><title>{}</title></circle>')
# A box of 1000 x 1000 that is stretched to the plot; strokes in it are not stretched with it.
_BOX = Markup('<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>')
PATH = Markup('<path d="{}" class="{}" vector-effect="non-scaling-stroke"/>')


def plot(paths: Markup) -> Markup:
    """Stretch paths that are drawn in 1000 x 1000 to the plot."""
    return _BOX.format(PLOT_TOP, PLOT_HEIGHT, paths)


def nice_step(least: float) -> float:
    """Round up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


_MEASURE = Markup('<svg class="measure" aria-hidden="true" width="100%" height="14">{}</svg>')
_BAR = Markup('<rect x="0" y="3" width="{:.2f}%" height="8" rx="4" class="{}"/>')
_SPREAD = Markup('<rect x="{:.2f}%" y="6" width="{:.2f}%" height="2" class="spread"/>')
_END = Markup('<rect x="{:.2f}%" y="3" width="1.5" height="8" class="spread"/>')


def inline_bar(share: float, deviation: float | None = None, style: str = "fill") -> Markup:
    """Draw a bar as long as `share`, with a whisker of one `deviation` to both sides, as far as 0 and 1 go."""
    pieces = [_BAR.format(100, "track")]
    if share > 0:
        pieces.append(_BAR.format(100 * min(share, 1.0), style))
    if deviation is not None:
        low, high = max(share - deviation, 0.0), min(share + deviation, 1.0)
        pieces += [_SPREAD.format(100 * low, 100 * (high - low))]
        pieces += [_END.format(99.5 * end) for end in (low, high)]
    return _MEASURE.format(Markup("").join(pieces))
