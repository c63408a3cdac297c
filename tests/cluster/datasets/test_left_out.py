from __future__ import annotations

from collections import Counter

import pytest

from cluster.datasets.left_out import TarAccount, described
from cluster.datasets.tar_videos import Unpacked


def test_extensions_are_named_from_the_most_common_on() -> None:
    assert described(Counter({"": 1, ".jpg": 3, ".txt": 12})) == "12 .txt, 3 .jpg, 1 without an extension"
    many = Counter({f".{number}": 9 - number for number in range(7)})
    assert described(many) == "9 .0, 8 .1, 7 .2, 6 .3, 5 .4, …"


def test_an_account_adds_up_and_tells_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    account = TarAccount()
    assert account.unread_share == 0.0
    with caplog.at_level("INFO", "framemill"):
        account.log()
        assert caplog.text == ""
        account.add(Unpacked([], [], Counter({".json": 2}), 3, ["s3://key:secret@in/1.tar"], []))
        account.add(Unpacked([], [], Counter({".json": 1, ".txt": 1}), 1, [], ["2/a.cls"]))
        account.log()
    assert (account.count, account.unread_share) == (4, 0.25)
    assert "1 tar not readable to the end, and what is left there is missing from this run" in caplog.text
    assert "secret" not in caplog.text
    assert "left out of tars, as their extensions are not those of videos: 3 .json, 1 .txt" in caplog.text
    assert "1 label of tars left out, without a class index: '2/a.cls'" in caplog.text
