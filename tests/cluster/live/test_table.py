from __future__ import annotations

import pytest

from cluster.live.table import Status, cut, table_lines, text_line, width

LABELS = [("push-ups", 0.875), ("sit-ups", 0.1), ("走る", 0.02), ("\x1b[2J\nevil\u202e", 0.005)]
STATUS = Status(
    title="rtsp://***@camera/1   movinet-a0-stream@0123456789ab",
    facts=["0:01:23", "latency 42 ms", "5.0 frames/s", "3 dropped", "7 lost"],
    values={},
    labels=LABELS,
)


def test_the_table_in_full() -> None:
    assert table_lines(STATUS, 100, 24) == [
        "rtsp://***@camera/1   movinet-a0-stream@0123456789ab",
        "0:01:23   latency 42 ms   5.0 frames/s   3 dropped   7 lost",
        "",
        "push-ups             0.875  " + 35 * "█",
        "sit-ups              0.100  ████",
        "走る                 0.020  ▊",
        "\\x1b[2J\\nevil\\u202e  0.005  ▎",
    ]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 40])
def test_nothing_is_wider_or_higher_than_the_terminal(rows: int) -> None:
    for columns in (*range(1, 80), 200):
        lines = table_lines(STATUS, columns, rows)
        assert 1 <= len(lines) <= rows
        assert max(map(width, lines)) <= columns
        assert all(line.isprintable() for line in lines)


def test_a_narrow_table_keeps_what_matters_most() -> None:
    lines = table_lines(STATUS, 24, 24)
    assert lines[0] == "rtsp://***@camera/1   m…"
    assert lines[1] == "0:01:23   latency 42 ms"
    assert lines[3] == "push-ups           0.875"
    assert lines[6] == "\\x1b[2J\\nevil\\u2…  0.005"


def test_bars_grow_with_scores() -> None:
    for score in (0.0, 0.001, 0.0124, 0.5, 0.999, 1.0, 1.0000001):
        status = Status(title="", facts=["0"], values={}, labels=[("a", score)])
        (line,) = table_lines(status, 60, 24)[3:]
        assert line.startswith(f"a  {score:.3f}")
        assert width(line) == len("a  0.000") + (2 if round(score * 320) else 0) + -(-round(min(score, 1) * 320) // 8)


def test_one_line_for_a_log() -> None:
    assert text_line(STATUS) == (
        "0:01:23  push-ups 0.875, sit-ups 0.100, 走る 0.020, \\x1b[2J\\nevil\\u202e 0.005  latency 42 ms  "
        "5.0 frames/s  3 dropped  7 lost"
    )
    assert text_line(Status(title="t", facts=["no frame yet"], values={}, labels=[])) == "no frame yet"


def test_columns_of_text() -> None:
    assert [width(text) for text in ("", "abc", "é", "e\u0301", "走る", "👟")] == [0, 3, 1, 1, 4, 2]
    assert [cut("走る人", columns) for columns in range(7)] == ["", "…", "…", "走…", "走…", "走る…", "走る人"]
