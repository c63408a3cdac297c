from __future__ import annotations

import pytest

from schemas.lips import LipInput


def test_all_impossible_values_are_reported_at_once() -> None:
    LipInput(height=46, width=140, channels=1, fps="30000/1001")
    with pytest.raises(ValueError, match="height") as raised:
        LipInput(height=0, width=2000, channels=2, fps="1e999", normalisation="standardized", colours="gbr")
    assert str(raised.value) == (
        "height is 0, allowed are 1 to 1024; width is 2000, allowed are 1 to 1024; channels is 2, allowed are 1 and 3; "
        "fps is '1e999', it must be a number above 0, such as 25 or 30000/1001; "
        "normalisation is 'standardized', allowed are standardised, standardised-uint8-wrap, unit; "
        "colours is 'gbr', allowed are rgb, bgr"
    )
