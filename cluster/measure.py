"""Measure: a bar in a cell of a table, for a number between nothing and a known most, with its spread.

In: the number as a share of the most, and optionally its standard deviation. Out: `Markup`, one `<svg>`; see
`cluster.svg`. The number itself stands beside it in the table, for the bar is nothing to be read out.
"""

from markupsafe import Markup

_MEASURE = Markup('<svg class="measure" aria-hidden="true" width="100%" height="14">{}</svg>')
_BAR = Markup('<rect x="0" y="3" width="{:.2f}%" height="8" rx="4" class="{}"/>')
_SPREAD = Markup('<rect x="{:.2f}%" y="6" width="{:.2f}%" height="2" class="spread"/>')
_END = Markup('<rect x="{:.2f}%" y="3" width="1.5" height="8" class="spread"/>')


def measure(share: float, deviation: float | None = None, style: str = "fill") -> Markup:
    """Draw a bar as long as `share`, with a whisker of one `deviation` to both sides, as far as 0 and 1 go."""
    pieces = [_BAR.format(100, "track")]
    if share > 0:
        pieces.append(_BAR.format(100 * min(share, 1.0), style))
    if deviation is not None:
        low, high = max(share - deviation, 0.0), min(share + deviation, 1.0)
        pieces += [_SPREAD.format(100 * low, 100 * (high - low))]
        pieces += [_END.format(99.5 * end) for end in (low, high)]
    return _MEASURE.format(Markup("").join(pieces))
