from __future__ import annotations

import pytest

from extractors.sampling import SamplingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [("fps", "0"), ("fps", "often"), ("segment_seconds", 0), ("max_seconds", -1), ("max_pixels", 0)],
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
