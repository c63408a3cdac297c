"""Numbers as text for reports and progress lines: counts, rates, durations and sizes.

In: a number in the unit that the argument names. Out: short text with a decimal point and comma-separated thousands,
independent of the locale.
"""

SIZE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
SHORT_UNITS = ("", "k", "M", "G")
FEW = 30  # videos, below which a share is written as a count: a percentage would promise more than it knows


def count_text(count: int) -> str:
    """Write a whole number in full: `1,234,567`."""
    return f"{count:,}"


def short_count_text(count: float) -> str:
    """Write a number in at most four characters and a unit, for narrow places: `412k`, `1.3M`."""
    return _scaled(float(count), SHORT_UNITS)


def rate_text(per_second: float) -> str:
    """Write a number with three significant digits: `0.0213`, `5.30`, `54.3`, `1,234`."""
    size = abs(per_second)
    if size == 0 or size >= 99.95:
        return f"{per_second:,.0f}"
    if size >= 0.995:
        return f"{per_second:.1f}" if size >= 9.995 else f"{per_second:.2f}"
    return f"{per_second:.3g}"


def share_text(part: float, whole: float) -> str:
    """Write a part as a percentage, 0% or 100% only if exact."""
    if whole == 0 or part == 0:
        return "0%"
    percent = 100 * part / whole
    if percent < 0.1:
        return "< 0.1%"
    if 99.9 < percent < 100:
        return "> 99.9%"
    return f"{percent:.1f}".removesuffix(".0") + "%"


def count_of_text(part: float, whole: int) -> str:
    """Write a part of a few videos as a count: `3 of 4`."""
    return f"{count_text(round(part))} of {count_text(whole)}"


def accuracy_text(share: float, videos: int) -> str:
    """Write a share of `videos` as a percentage with two decimals, or as a count where they are few."""
    return percent_text(share) if videos >= FEW else count_of_text(share * videos, videos)


def measure_text(value: float, videos: int) -> str:
    """Write a measure from 0 to 1 that is no share of videos, such as F1: `94.26%`, or `0.94` from a few."""
    return percent_text(value) if videos >= FEW else f"{value:.2f}"


def percent_text(share: float) -> str:
    """Write a share with two decimals, as is usual for accuracies: `94.26%`; 0% or 100% only if exact."""
    percent = 100 * share
    if percent in (0, 100):
        return f"{percent:.0f}%"
    if 0 < percent < 0.01:
        return "< 0.01%"
    if 99.99 < percent < 100:
        return "> 99.99%"
    return f"{percent:.2f}%"


def figure_text(value: float) -> str:
    """Write a number with four significant digits, such as a loss: `0.1683`, `12.05`, `1.2e-05`."""
    return f"{value:.4g}"


def duration_text(seconds: float) -> str:
    """Write a duration in its two largest units: `0.25 s`, `12.3 s`, `4 min 05 s`, `3 h 07 min`, `2 d 04 h`."""
    if 0 < seconds < 0.005:
        return "< 0.01 s"
    if seconds < 0.995:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400:,} d {whole % 86_400 // 3600:02d} h"


def round_duration_text(seconds: float) -> str:
    """Write a duration in one unit with at most three digits, for axes: `45 s`, `1.5 min`, `6 h`, `2 d`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{_three_digits(seconds / length)} {unit}"
    return f"{_three_digits(seconds)} s"


def clock_text(seconds: float) -> str:
    """Write a place in a video as a player does: `0:07`, `0:07.25`, `1:02:03`."""
    hundredths = round(100 * seconds)
    whole, rest = divmod(hundredths, 100)
    hours, minutes = divmod(whole // 60, 60)
    text = f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
    return f"{text}.{rest:02d}".rstrip("0") if rest else text


def size_text(size_bytes: int) -> str:
    """Write a size in decimal units, as object stores bill it: `3.4 GB`."""
    return _scaled(float(size_bytes), SIZE_UNITS, gap=" ")


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _scaled(value: float, units: tuple[str, ...], gap: str = "") -> str:
    for unit in units:
        if abs(value) < 999.5 or unit == units[-1]:
            digits = 0 if unit == units[0] and value == int(value) else 1
            text = f"{value:,.{digits}f}" if abs(value) < 9.95 else f"{value:,.0f}"
            return f"{text.removesuffix('.0')}{gap}{unit}"
        value /= 1000
    raise AssertionError("the last unit takes everything")
