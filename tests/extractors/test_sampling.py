from __future__ import annotations

import pytest

from extractors.sampling import SamplingConfig
from schemas.outcomes import FailureCode, Stage, VideoError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fps", "0"),
        ("fps", "often"),
        ("segment_seconds", 0),
        ("max_seconds", -1),
        ("max_pixels", 0),
        ("max_grid_points", 0),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: str | int) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .*{value}"):
        SamplingConfig(**{field: value})  # type: ignore[arg-type]


def test_the_fingerprint_includes_everything_that_changes_features() -> None:
    plain = SamplingConfig().fingerprint_parts()
    assert SamplingConfig(fps="1.0", segment_seconds=7, selective=False).fingerprint_parts() == plain
    assert SamplingConfig(fps="2").fingerprint_parts() != plain
    assert SamplingConfig(max_seconds=10).fingerprint_parts() != plain
    assert SamplingConfig(sampling="keyframes").fingerprint_parts() == {**plain, "mode": "keyframes"}


def test_defaults_have_the_fingerprint_that_data_sets_hold_already() -> None:
    """A setting that is added must be left out where it has its default (`schemas.fingerprint`)."""
    assert SamplingConfig().fingerprint_parts() == {"fps": "1", "max_seconds": "all", "mode": "exact"}


def test_an_unknown_sampling_is_refused() -> None:
    with pytest.raises(ValueError, match="sampling must be one of exact, keyframes, not 'often'"):
        SamplingConfig(sampling="often")


def test_a_video_with_more_grid_points_than_the_limit_is_refused_with_what_to_do() -> None:
    sampling = SamplingConfig(fps="1/2", max_grid_points=1_000)
    sampling.check_length(1_000)
    with pytest.raises(VideoError, match=r"it lasts 2,002 s or more.*is 1,000 frames.*--max-grid-points") as caught:
        sampling.check_length(1_001)
    assert (caught.value.code, caught.value.stage) == (FailureCode.TOO_LONG, Stage.DECODE)


def test_honest_long_videos_are_within_the_limit() -> None:
    SamplingConfig(fps="30").check_length(24 * 3600 * 30)
    SamplingConfig().check_length(30 * 24 * 3600)
