from __future__ import annotations

import pytest

from cluster.serving.config import ServeOptions
from cluster.serving.job import read_token, run_serving
from schemas.errors import InputError


def test_a_token_is_long_and_of_one_word(tmp_path):
    assert read_token(None) is None
    (tmp_path / "token").write_text("0123456789abcdef\n")
    assert read_token(str(tmp_path / "token")) == "0123456789abcdef"
    for text in ("short", "two words of many characters", "ünïcödé-characters", ""):
        (tmp_path / "token").write_text(text)
        with pytest.raises(InputError, match="openssl rand"):
            read_token(str(tmp_path / "token"))
    with pytest.raises(InputError, match="cannot be read"):
        read_token(str(tmp_path / "none"))


def test_a_place_that_cannot_be_listened_at_ends_before_any_work(tmp_path):
    options = ServeOptions.of(
        checkpoint=(str(tmp_path),), host="192.0.2.7", uploads=str(tmp_path / "uploads"), quiet=True
    )
    assert run_serving(options) == 2
    assert not (tmp_path / "uploads").exists()
