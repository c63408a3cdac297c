"""Charts as inline SVG: a line over time, labelled bars, a histogram, a divided strip.

In: plain numbers and texts.
Out: `Markup`, one `<svg>` that is as wide as its place. All positions across are percentages and all positions down are
pixels, so that text keeps its size at every width and nothing needs a script. Colours and fonts come from the page's
style sheet by class. What the picture shows is also said in words (`aria-label`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.quantities import rate_text, round_duration_text, short_count_text

PLOT_HEIGHT = 190
PLOT_TOP = 22  # room for the topmost label, which stands on its line
BAR_PITCH = 44
TIME_STEPS_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)

_SVG = Markup('<svg class="chart" role="img" aria-label="{}" width="100%" height="{}">{}</svg>')
_TEXT = Markup('<text x="{:.2f}%" y="{:.0f}" class="{}">{}</text>')
_GRID = Markup('<line x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}" class="{1}"/>')
_RECT = Markup(
    '<rect x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}" rx="{}" class="{}"><title>{}</title></rect>'
)
# The curve lives in a box of 1000 x 1000 that is stretched to the plot; its stroke is not stretched with it.
_CURVE = Markup(
    '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
    '<path d="{}" class="area"/><path d="{}" class="curve" vector-effect="non-scaling-stroke"/></svg>'
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One bar or one piece of a strip; `text` is the value as it is to be read, `style` a class of the style sheet."""

    label: str
    value: float
    text: str
    style: str = "fill"


def line_chart(values: Sequence[float], span_seconds: float, mean: float, unit: str) -> Markup:
    """Draw values, each the mean of one of the equal parts of `span_seconds`, with a dashed line at their `mean`."""
    if not values or span_seconds <= 0:
        raise ValueError(f"{len(values)} values over {span_seconds} s: a line needs at least one, and time")
    top = _nice_step(max(*values, mean, 1e-9) / 3) * 3
    while top < max(values):
        top += _nice_step(top / 3)
    step = _nice_step(top / 3)
    bottom = PLOT_TOP + PLOT_HEIGHT

    def down(value: float) -> float:
        return bottom - PLOT_HEIGHT * value / top

    ticks = [step * i for i in range(int(top / step + 1e-6) + 1)]
    pieces = [_GRID.format(down(tick), "axis" if tick == 0 else "grid") for tick in ticks]
    middles = [(i + 0.5) * 1000 / len(values) for i in range(len(values))]
    corners = [(0.0, values[0]), *zip(middles, values, strict=True), (1000.0, values[-1])]
    path = "L".join(f"{x:.1f},{1000 - 1000 * value / top:.1f}" for x, value in corners)
    pieces.append(_CURVE.format(PLOT_TOP, PLOT_HEIGHT, f"M0,1000L{path}L1000,1000Z", f"M{path}"))
    pieces.append(_GRID.format(down(mean), "mean"))
    # A label over the grid needs no margin beside it, so that the curve has the whole width.
    pieces.extend(
        _TEXT.format(0, down(tick) - 5, "tick halo", f"{tick:,.10g} {unit if tick == ticks[-1] else ''}".strip())
        for tick in ticks[1:]
    )
    pieces.append(_TEXT.format(100, down(mean) - 6, "tick end halo strong", f"mean {rate_text(mean)}"))
    time_step = next((step for step in TIME_STEPS_SECONDS if span_seconds / step <= 5), TIME_STEPS_SECONDS[-1])
    while span_seconds / time_step > 5:
        time_step *= 2
    for i in range(int(span_seconds / time_step) + 1):
        across = 100 * i * time_step / span_seconds
        anchor = "start" if i == 0 else "end" if across > 95 else "middle"
        label = round_duration_text(round(i * time_step, 6)) if i else "0"
        pieces.append(_TEXT.format(across, bottom + 18, f"tick {anchor}", label))
    spoken = f"{unit} over {round_duration_text(round(span_seconds, 1))}: mean {rate_text(mean)}, highest "
    spoken += f"{rate_text(max(values))}, lowest {rate_text(min(values))}"
    return _SVG.format(spoken, bottom + 26, Markup("").join(pieces))


def bars(parts: Sequence[Part], spoken: str) -> Markup:
    """Draw horizontal bars, one below the other in the order given; label and value stand above each."""
    largest = max((part.value for part in parts), default=0.0) or 1.0
    pieces = []
    for i, part in enumerate(parts):
        top = i * BAR_PITCH
        pieces.append(_TEXT.format(0, top + 14, "label", part.label))
        pieces.append(_TEXT.format(100, top + 14, "label end strong", part.text))
        title = f"{part.label}: {part.text}"
        pieces.append(_RECT.format(0, top + 22, 100, 8, 4, "track", title))
        if part.value > 0:
            pieces.append(_RECT.format(0, top + 22, 100 * part.value / largest, 8, 4, part.style, title))
    told = "; ".join(f"{part.label} {part.text}" for part in parts)
    return _SVG.format(f"{spoken}: {told}", max(len(parts) * BAR_PITCH - 8, 1), Markup("").join(pieces))


def histogram(edges_seconds: Sequence[float], counts: Sequence[int], spoken: str) -> Markup:
    """Draw columns, one a bin, without the empty bins at both ends; bin i starts at edge i, the last one is open."""
    filled = [i for i, count in enumerate(counts) if count]
    if not filled:
        raise ValueError("a histogram of nothing: check for counts before drawing")
    # One bin of room at each side shows that nothing lies beyond.
    first, last = max(filled[0] - 1, 0), min(filled[-1] + 1, len(counts) - 1)
    shown = range(first, last + 1)
    width = 100 / len(shown)
    bottom = PLOT_TOP + PLOT_HEIGHT
    pieces, told = [], []
    for place, i in enumerate(shown):
        edge = round_duration_text(edges_seconds[i]) if edges_seconds[i] else "0"
        end = round_duration_text(edges_seconds[i + 1]) if i + 1 < len(edges_seconds) else "more"
        height = PLOT_HEIGHT * counts[i] / max(counts)
        if counts[i]:
            told.append(f"{edge} to {end} {counts[i]:,}")
            title = f"{edge} to {end}: {counts[i]:,}"
            drawn = max(height, 2.0)  # one video among a million is still to be seen
            pieces.append(_RECT.format((place + 0.06) * width, bottom - drawn, 0.88 * width, drawn, 3, "fill", title))
            value = short_count_text(counts[i])
            pieces.append(_TEXT.format((place + 0.5) * width, bottom - drawn - 6, "tick middle strong", value))
        # On a phone eight labels fit side by side; of more than that every second one stands for two.
        if len(shown) <= 8 or place % 2 == 0:
            pieces.append(_TEXT.format(place * width, bottom + 18, f"tick {'middle' if place else 'start'}", edge))
    pieces.append(_GRID.format(bottom, "axis"))
    return _SVG.format(f"{spoken}: {'; '.join(told)}", bottom + 26, Markup("").join(pieces))


def strip(parts: Sequence[Part], spoken: str) -> Markup:
    """Divide one strip among the parts; a part that is not nothing is never too thin to be seen."""
    total = sum(part.value for part in parts)
    widths = [max(part.value / total, 0.006) if part.value else 0.0 for part in parts] if total else []
    left, pieces = 0.0, [_RECT.format(0, 0, 100, 14, 0, "track", spoken)]
    for part, width in zip(parts, widths, strict=False):
        share = 100 * width / sum(widths)
        pieces.append(_RECT.format(left, 0, share, 14, 0, part.style, f"{part.label}: {part.text}"))
        left += share
    told = "; ".join(f"{part.label} {part.text}" for part in parts)
    return _SVG.format(f"{spoken}: {told}", 14, Markup("").join(pieces))


def _nice_step(least: float) -> float:
    """Round up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))
