"""Charts as inline SVG: a line over time, labelled bars, a histogram, a stacked strip.

In: numbers and texts. Out: `Markup`, one `<svg>` as wide as its container (`cluster.reports.charts.svg`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.reports.charts.svg import CHART, GRID, NAME, PATH, PLOT_BOTTOM, PLOT_HEIGHT, RECT, TEXT, nice_step, plot
from cluster.reports.numbers import duration_text, rate_text, round_duration_text, share_text, short_count_text
from cluster.reports.pages import escape_invisible

BAR_PITCH = 44
LABEL_WIDTH = 85  # percent, of long labels
# Stages whose names say too little by themselves.
STAGES = {
    "open": "Opening files",
    "decode": "Decoding",
    "embed_frames": "Embedding frames",
    "embed_sound": "Embedding sound",
    "list_frames": "Listing frames",
    "cut": "Cutting",
    "records": "Writing records",
    "opening": "Opening the data",
    "checking": "Checking the videos",
    "faces": "Finding mouths",
    "network": "Reading lips",
    "text": "Finding words",
}
TIME_STEPS_SECONDS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar, column or segment of a strip; `text` is the formatted value, `style` a CSS class."""

    label: str
    value: float
    text: str
    style: str = "fill"


def line_chart(values: Sequence[float], span_seconds: float, mean: float, unit: str) -> Markup:
    """Draw `values`, the means of equal intervals of `span_seconds`, with a dashed line at their `mean`."""
    if not values or span_seconds <= 0:
        raise ValueError(
            f"{len(values)} values over {span_seconds} s: a line needs at least one value and a positive time"
        )
    top = nice_step(max(*values, mean, 1e-9) / 3) * 3
    while top < max(values):
        top += nice_step(top / 3)
    step = nice_step(top / 3)

    def down(value: float) -> float:
        return PLOT_BOTTOM - PLOT_HEIGHT * value / top

    ticks = [step * i for i in range(int(top / step + 1e-6) + 1)]
    pieces = [GRID.format(down(tick), "axis" if tick == 0 else "grid") for tick in ticks]
    middles = [(i + 0.5) * 1000 / len(values) for i in range(len(values))]
    corners = [(0.0, values[0]), *zip(middles, values, strict=True), (1000.0, values[-1])]
    path = "L".join(f"{x:.1f},{1000 - 1000 * value / top:.1f}" for x, value in corners)
    area, curve = PATH.format(f"M0,1000L{path}L1000,1000Z", "area"), PATH.format(f"M{path}", "curve")
    pieces.append(plot(area + curve))
    pieces.append(GRID.format(down(mean), "mean"))
    # Labels stand above the grid lines, so the curve has the full width.
    pieces.extend(
        TEXT.format(0, down(tick) - 5, "tick halo", f"{tick:,.10g} {unit if tick == ticks[-1] else ''}".strip())
        for tick in ticks[1:]
    )
    pieces.append(TEXT.format(100, down(mean) - 6, "tick end halo strong", f"mean {rate_text(mean)}"))
    time_step = next((step for step in TIME_STEPS_SECONDS if span_seconds / step <= 5), TIME_STEPS_SECONDS[-1])
    while span_seconds / time_step > 5:
        time_step *= 2
    for i in range(int(span_seconds / time_step) + 1):
        across = 100 * i * time_step / span_seconds
        anchor = "start" if i == 0 else "end" if across > 95 else "middle"
        label = round_duration_text(round(i * time_step, 6)) if i else "0"
        pieces.append(TEXT.format(across, PLOT_BOTTOM + 18, f"tick {anchor}", label))
    description = f"{unit} over {duration_text(span_seconds)}: mean {rate_text(mean)}, highest "
    description += f"{rate_text(max(values))}, lowest {rate_text(min(values))}"
    return CHART.format(description, PLOT_BOTTOM + 26, Markup("").join(pieces))


def bar_chart(bars: Sequence[Bar], description: str, *, has_long_labels: bool = False) -> Markup:
    """Draw horizontal bars from top to bottom, each below its label and value.

    Long labels are HTML, which the style sheet shortens.
    """
    largest = max((bar.value for bar in bars), default=0.0) or 1.0
    pieces = []
    for i, bar in enumerate(bars):
        top = i * BAR_PITCH
        name = NAME.format(top - 1, LABEL_WIDTH, bar.label, bar.label)
        pieces.append(name if has_long_labels else TEXT.format(0, top + 14, "label", bar.label))
        pieces.append(TEXT.format(100, top + 14, "label end strong", bar.text))
        title = f"{bar.label}: {bar.text}"
        pieces.append(RECT.format(0, top + 22, 100, 8, 4, "track", title))
        if bar.value > 0:
            pieces.append(RECT.format(0, top + 22, 100 * bar.value / largest, 8, 4, bar.style, title))
    return CHART.format(described(description, bars), max(len(bars) * BAR_PITCH - 8, 1), Markup("").join(pieces))


def stage_text(stage: str) -> str:
    """A stage of a run in words."""
    return STAGES.get(stage) or stage.replace("_", " ").capitalize()


def stages_chart(seconds_by_stage: Mapping[str, float]) -> Markup | None:
    """Draw seconds by stage as bars, the longest first; None if no stage took any time."""
    total = sum(seconds_by_stage.values())
    if total == 0:
        return None
    stages = sorted(seconds_by_stage.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{duration_text(seconds)} · {share_text(seconds, total)}" for _, seconds in stages]
    bars = [
        Bar(label=escape_invisible(stage_text(stage)), value=seconds, text=text)
        for (stage, seconds), text in zip(stages, texts, strict=True)
    ]
    return bar_chart(bars, "Seconds by stage")


def histogram(edges_seconds: Sequence[float], counts: Sequence[int], description: str) -> Markup:
    """Draw a column per bin, without the empty bins at both ends; bin i starts at edge i, the last one is open."""
    filled = [i for i, count in enumerate(counts) if count]
    if not filled:
        raise ValueError("a histogram needs at least one count")
    # An empty bin at each side shows that nothing lies beyond.
    first, last = max(filled[0] - 1, 0), min(filled[-1] + 1, len(counts) - 1)
    shown = range(first, last + 1)
    width = 100 / len(shown)
    pieces, values = [], []
    for place, i in enumerate(shown):
        edge = round_duration_text(edges_seconds[i]) if edges_seconds[i] else "0"
        end = round_duration_text(edges_seconds[i + 1]) if i + 1 < len(edges_seconds) else "more"
        height = PLOT_HEIGHT * counts[i] / max(counts)
        if counts[i]:
            values.append(f"{edge} to {end} {counts[i]:,}")
            title = f"{edge} to {end}: {counts[i]:,}"
            drawn = max(height, 2.0)  # one video in a million is still visible
            pieces.append(
                RECT.format((place + 0.06) * width, PLOT_BOTTOM - drawn, 0.88 * width, drawn, 3, "fill", title)
            )
            value = short_count_text(counts[i])
            pieces.append(TEXT.format((place + 0.5) * width, PLOT_BOTTOM - drawn - 6, "tick middle strong", value))
        # A phone has room for eight labels; of more, every second one is drawn.
        if len(shown) <= 8 or place % 2 == 0:
            pieces.append(TEXT.format(place * width, PLOT_BOTTOM + 18, f"tick {'middle' if place else 'start'}", edge))
    pieces.append(GRID.format(PLOT_BOTTOM, "axis"))
    return CHART.format(f"{description}: {'; '.join(values)}", PLOT_BOTTOM + 26, Markup("").join(pieces))


def strip(bars: Sequence[Bar], description: str) -> Markup:
    """Draw the bars as segments of one strip; any segment above 0 is wide enough to be visible."""
    total = sum(bar.value for bar in bars)
    widths = [max(bar.value / total, 0.006) if bar.value else 0.0 for bar in bars] if total else []
    left, pieces = 0.0, [RECT.format(0, 0, 100, 14, 0, "track", description)]
    for bar, width in zip(bars, widths, strict=False):
        share = 100 * width / sum(widths)
        pieces.append(RECT.format(left, 0, share, 14, 0, bar.style, f"{bar.label}: {bar.text}"))
        left += share
    return CHART.format(described(description, bars), 14, Markup("").join(pieces))


def described(description: str, bars: Sequence[Bar]) -> str:
    """The accessible description of a chart, with the values of its bars."""
    return f"{description}: {'; '.join(f'{bar.label} {bar.text}' for bar in bars)}"
