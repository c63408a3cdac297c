from __future__ import annotations

import pytest

from classifiers.named_entry import named_entry

ENTRIES = {"lstm": 1, "gru": 2}


def test_a_known_name() -> None:
    assert named_entry(ENTRIES, "gru", "model") == 2


def test_an_unknown_name_is_told_with_the_nearest_and_all_others() -> None:
    with pytest.raises(ValueError, match=r"^model 'lstn' is unknown; did you mean 'lstm'\? known models: gru, lstm$"):
        named_entry(ENTRIES, "lstn", "model")
    with pytest.raises(ValueError, match=r"^clip model 'x' is unknown; known models: gru, lstm$"):
        named_entry(ENTRIES, "x", "clip model")
