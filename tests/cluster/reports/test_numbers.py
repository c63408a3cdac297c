"""Numbers as text: unit thresholds and rounding."""

import pytest

from cluster.reports import numbers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.004, "< 0.01 s"),
        (0.04, "0.04 s"),
        (0.25, "0.25 s"),
        (0.999, "1 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (11_220, "3 h 07 min"),
        (187_200, "2 d 04 h"),
        (201_345_678, "2,330 d 09 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert numbers.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "0.1 s"), (45, "45 s"), (90, "1.5 min"), (98.6, "1.64 min"), (21_600, "6 h"), (172_800, "2 d")],
)
def test_durations_on_axes(seconds: float, text: str) -> None:
    assert numbers.round_duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (7, "0:07"),
        (7.25, "0:07.25"),
        (59.999, "1:00"),
        (61.5, "1:01.5"),
        (3723, "1:02:03"),
        (90_000, "25:00:00"),
    ],
)
def test_places_in_a_video(seconds: float, text: str) -> None:
    assert numbers.clock_text(seconds) == text


def test_below_thirty_videos_shares_are_counts() -> None:
    assert numbers.accuracy_text(8 / 9, 9) == "8 of 9"
    assert numbers.accuracy_text(0.5, 30) == "50.00%"
    assert numbers.measure_text(0.8888, 29) == "0.89"
    assert numbers.measure_text(0.8888, 30) == "88.88%"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (9_940, "9.9 kB"), (999_600, "1 MB"), (84_123_456_789_012, "84 TB")],
)
def test_sizes(size: int, text: str) -> None:
    assert numbers.size_text(size) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0"),
        (0.021299, "0.0213"),
        (0.9999, "1.00"),
        (5.3, "5.30"),
        (54.32, "54.3"),
        (99.97, "100"),
        (1234.5, "1,234"),
    ],
)
def test_rates(rate: float, text: str) -> None:
    assert numbers.rate_text(rate) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0%"),
        (0, 5, "0%"),
        (5, 5, "100%"),
        (1, 3, "33.3%"),
        (1, 1_000_000, "< 0.1%"),
        (999_999, 1_000_000, "> 99.9%"),
    ],
)
def test_shares_are_nothing_or_everything_only_where_they_are(part: float, whole: float, text: str) -> None:
    assert numbers.share_text(part, whole) == text


@pytest.mark.parametrize(
    ("count", "full", "short"),
    [
        (7, "7", "7"),
        (999, "999", "999"),
        (1000, "1,000", "1k"),
        (412_345, "412,345", "412k"),
        (1_250_000, "1,250,000", "1.2M"),
    ],
)
def test_counts(count: int, full: str, short: str) -> None:
    assert numbers.count_text(count) == full
    assert numbers.short_count_text(count) == short


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (45, "45 s"), (90, "1.5 min"), (21_600, "6 h"), (172_800, "2 d")]
)
def test_round_durations(seconds: float, text: str) -> None:
    assert numbers.round_duration_text(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (0.00002, "< 0.01%"),
        (0.9426, "94.26%"),
        (0.94, "94.00%"),
        (0.99999, "> 99.99%"),
        (1, "100%"),
    ],
)
def test_percentages(share: float, text: str) -> None:
    assert numbers.percent_text(share) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.168349, "0.1683"), (12.0549, "12.05"), (1.2e-5, "1.2e-05"), (-0.5, "-0.5")]
)
def test_figures(value: float, text: str) -> None:
    assert numbers.figure_text(value) == text
