"""Failures by code: their order, examples and advice."""

from __future__ import annotations

import base64

from cluster.reports.failures import ADVICE, failure_kinds, failure_rows
from schemas.outcomes import FailureCode
from schemas.runs import FailureNote


def note(code: str, message: str) -> FailureNote:
    return FailureNote(id="v", uri="in/v.mp4", stage="decode", code=code, message=message, attempts=1)


def test_every_code_has_its_advice() -> None:
    assert set(ADVICE) == set(FailureCode)


def test_the_most_frequent_code_comes_first_and_equal_ones_by_name() -> None:
    kinds = failure_kinds({"storage": 5, "empty": 5, "not_media": 30}, [])
    assert [(kind["code"], kind["count"], kind["share"]) for kind in kinds] == [
        ("not_media", 30, "75%"),
        ("empty", 5, "12.5%"),
        ("storage", 5, "12.5%"),
    ]
    assert [kind["advice"] for kind in kinds] == [ADVICE[FailureCode(kind["code"])] for kind in kinds]
    assert failure_kinds({}, []) == []


def test_the_example_is_the_first_message_of_the_code() -> None:
    notes = [note("empty", "no bytes"), note("damaged", "first"), note("damaged", "second")]
    (damaged, storage) = failure_kinds({"damaged": 2, "storage": 1}, notes)
    assert damaged["message"] == "first"
    assert storage["message"] == "The failure shards hold the messages."


def test_the_table_of_failures_is_a_file_too() -> None:
    table = failure_rows([note("empty", "no bytes")])
    (row,) = table["rows"]
    assert (row["note"].code, row["stage"]) == ("empty", "while decoding")
    header, line = base64.b64decode(table["csv"].partition(",")[2]).decode("utf-8-sig").splitlines()
    assert header == "id,uri,code,stage,message,attempts"
    assert ",empty," in line


def test_an_unknown_code_has_general_advice() -> None:
    (kind,) = failure_kinds({"code_of_tomorrow": 7}, [])
    assert (kind["share"], kind["advice"]) == ("", "See the messages below.")
