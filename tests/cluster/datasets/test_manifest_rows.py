from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets import manifest_rows
from cluster.datasets.manifest_rows import is_manifest, refusal, rows_of
from tests.support.memory import memory_below

TABLE = "id,uri,labels\na,ä.mp4,cat\nb,b.mp4,\n"
ROWS = [
    ("line 2", {"id": "a", "uri": "ä.mp4", "labels": "cat"}),
    ("line 3", {"id": "b", "uri": "b.mp4", "labels": ""}),
]


def rows(content: bytes | str, name: str = "m.csv") -> list[tuple[str, Any]]:
    """Places, each with the cells of its row or with its problem."""
    data = content.encode() if isinstance(content, str) else content
    return [(row.place, row.problem or row.cells) for row in rows_of(name, data)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_in_all_its_forms(encoding: str, end: str) -> None:
    assert rows(TABLE.replace("\n", end).encode(encoding)) == ROWS


def test_lines_of_json_in_utf_16() -> None:
    line = '{"uri": "ä.mp4"}\n'
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        assert rows((line * 2).encode(encoding), "m.jsonl") == [(f"line {n}", {"uri": "ä.mp4"}) for n in (1, 2)]


def test_latin_1_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: byte 0xe4 is no UTF-8: save the file as UTF-8"):
        rows(TABLE.encode("latin-1"))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "M.CSV"])
def test_separators_are_told_from_the_header(separator: str, name: str) -> None:
    assert rows(TABLE.replace(",", separator), name) == ROWS
    quoted = 'uri,labels\n"a,b.mp4","cat;dog"\n'.replace(",", separator)
    assert rows(quoted, name) == [("line 2", {"uri": f"a{separator}b.mp4", "labels": "cat;dog"})]


def test_a_single_column_has_no_separator() -> None:
    assert rows('uri\na b.mp4\n"c,d.mp4"\n') == [("line 2", {"uri": "a b.mp4"}), ("line 3", {"uri": "c,d.mp4"})]
    assert rows("uri\na,b.mp4\n", "m.tsv") == [("line 2", {"uri": "a,b.mp4"})]


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n'])
def test_a_line_that_names_the_separator(first: str) -> None:
    assert rows(first + "uri;id\na,b.mp4;x\n") == [("line 3", {"uri": "a,b.mp4", "id": "x"})]
    assert rows("sep=\t\nuri\tid\na\tx\n") == [("line 3", {"uri": "a", "id": "x"})]


def test_an_index_column_is_left_out() -> None:
    for name in ("", "Unnamed: 0", '""'):
        assert rows(f"{name},uri\n0,a.mp4\n1,b.mp4\n") == [("line 2", {"uri": "a.mp4"}), ("line 3", {"uri": "b.mp4"})]
    assert rows("Unnamed: 0.1,Unnamed: 0,uri\n0,0,a.mp4\n") == [("line 2", {"uri": "a.mp4"})]


def test_values_without_a_column_are_a_problem() -> None:
    assert rows(",uri\nrun,a.mp4\n")[0][1].startswith("'run' is in a column without a name: name it, id for example")
    assert rows("uri,,\na.mp4,,\nb.mp4,7,\n") == [
        ("line 2", {"uri": "a.mp4"}),
        ("line 3", "'7' is in a column without a name: name it, id for example, or remove it"),
    ]


def test_rows_of_separators_alone_are_no_rows() -> None:
    assert rows(",,\n\nuri,id,split\n,,\n  , ,\na,b,\n\n,,\n") == [("line 6", {"uri": "a", "id": "b", "split": ""})]


def test_lines_are_those_of_the_file() -> None:
    text = 'uri,id\n"a\n\nb",1\n\nc,2,3\nd\n'
    assert rows(text) == [
        ("line 2", {"uri": "a\n\nb", "id": "1"}),
        (
            "line 6",
            "it has 3 cells, and the header 2: a cell with ',' in it needs quotes, and several labels are separated "
            "by ';'",
        ),
        ("line 7", {"uri": "d", "id": None}),
    ]
    assert rows("uri,id\na,1,,\n") == [("line 2", {"uri": "a", "id": "1"})]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('uri\na\n"b\nc\nd\n', "line 3: a quote is opened and never closed"),
        ('uri\na\n"b"c\n', "line 3: text follows a closing quote; within quotes, a quote is written twice"),
        ("uri\n" + "x" * 200_000, "line 2: a cell is longer than 131072 characters; is a quote never closed?"),
        ('uri\n"' + "x\n" * 100_000, "line 2: a cell is longer than 131072 characters"),
        ("uri,id,id\na,b,c\n", "line 1: the header holds 'id' more than once"),
        ("sep=;\n\nuri;id;id\n", "line 3: the header holds 'id' more than once"),
    ],
)
def test_mistakes_name_their_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        rows(text)


def test_json_that_is_none() -> None:
    found = rows('{"uri": "a"}\n\n[1]\n{"uri": \n' + '{"a":' * 100_000 + "\n", "m.ndjson")
    assert found[0] == ("line 1", {"uri": "a"})
    assert [place for place, _ in found] == ["line 1", "line 3", "line 4", "line 5"]
    assert found[1][1] == "it is no JSON object; each line holds one object (jq -c '.[]' turns a list into such lines)"
    assert found[2][1].startswith("it is no JSON: Expecting value, at column 9; each line holds one object")
    assert found[3][1].startswith("it cannot be read: it is nested too deeply")


def test_parquet_rows_are_counted_and_its_index_left_out() -> None:
    table = pa.table({"uri": ["a", "b"], "Unnamed: 0": [0, 1], "__index_level_0__": [5, 7]})
    buffer = io.BytesIO()
    pq.write_table(table.select(["Unnamed: 0", "uri", "__index_level_0__"]), buffer)
    assert rows(buffer.getvalue(), "m.parquet") == [("row 1", {"uri": "a"}), ("row 2", {"uri": "b"})]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"uri": ["a"], "__index_level_0__": ["talk"]}), buffer)
    assert "column without a name" in rows(buffer.getvalue(), "m.parquet")[0][1]
    with pytest.raises(ValueError, match="Parquet"):
        rows(b"no such thing at all", "m.parquet")


def test_gzip_is_told_by_its_bytes() -> None:
    packed = gzip.compress(TABLE.encode())
    for name in ("m.csv.gz", "m.CSV.GZ", "m.csv"):
        assert rows(packed, name) == ROWS
    assert rows(TABLE, "m.csv.gz") == ROWS  # a store that unpacks on the way
    assert rows(packed[:10] + packed[10:] + gzip.compress(b"c,c.mp4,\n"), "m.csv.gz")[2][0] == "line 4"
    assert rows(gzip.compress(TABLE.replace(",", "\t").encode()), "m.tsv.gz") == ROWS
    assert rows(gzip.compress(b'{"uri": "a"}'), "m.jsonl.gz") == [("line 1", {"uri": "a"})]


def test_gzip_that_is_broken_or_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(TABLE.encode() * 1000)
    for broken in (packed[:-20], packed[:50] + bytes(20) + packed[70:], packed + b"\x1f\x8bxx"):
        with pytest.raises(ValueError, match="it cannot be unpacked"):
            rows(broken, "m.csv.gz")
    monkeypatch.setattr(manifest_rows, "MAX_UNPACKED_BYTES", 8 << 20)
    with pytest.raises(ValueError, match="it unpacks to more than 8 MiB: write it as Parquet"):
        rows(gzip.compress(bytes(64 << 20)), "m.csv.gz")


def test_a_large_file_unpacks_to_as_much_as_names_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_rows, "MAX_UNPACKED_BYTES", 1000)
    names = "".join(f"shards/{number // 100:05d}/clip-{number:09d}.mp4\n" for number in range(10_000))
    assert len(rows(gzip.compress(f"uri\n{names}".encode()), "m.csv.gz")) == 10_000


@pytest.mark.parametrize("name", ["m.csv", "a/M.TSV", "gs://b/m.csv.gz", "m.jsonl.gz", "m.ndjson", "m.parquet"])
def test_manifests_are_told_by_their_names(name: str) -> None:
    assert is_manifest(name)
    assert not refusal(name)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("m.txt", ".txt is not read: name it .csv, with a first line"),
        ("m.JSON", ".json is not read: write .jsonl"),
        ("m.xlsx", ".xlsx is not read: save it as CSV UTF-8"),
        ("m.parquet.gz", ".gz is not read: unpack it"),
        ("m.csv.zip", ".zip is not read: unpack it"),
        ("m.csv.zst", ".zst is not read: unpack it"),
        ("m.yaml", ".yaml is not read: write .csv"),
    ],
)
def test_other_formats_have_a_remedy(name: str, remedy: str) -> None:
    assert not is_manifest(name)
    assert refusal(name).startswith(remedy)


@pytest.mark.parametrize("name", ["a.mp4", "videos", "gs://bucket/csv", "dump.bin", "a.gif"])
def test_anything_else_may_be_a_video(name: str) -> None:
    assert not is_manifest(name)
    assert not refusal(name)


def test_lines_of_any_length_take_no_memory() -> None:
    for name, start in (("m.csv.gz", b"id,uri\n"), ("m.jsonl.gz", b'{"uri": "')):
        packed = gzip_of(start, 200)
        with memory_below(60), pytest.raises(ValueError, match=r"line \d has more than 4,194,304 characters"):
            rows(packed, name)


@pytest.mark.parametrize("line", ["\n", "a,b\n", ",\n"])
def test_no_more_lines_are_read_than_the_file_has_bytes(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(manifest_rows, "MAX_ROWS", 1000)
    content = ("id,uri\n" + line * 100_000).encode()
    assert len(rows(content)) in (0, 100_000)
    with pytest.raises(ValueError, match=r"it has more than [\d,]+ lines: a file of its size has no more that differ"):
        rows(gzip.compress(content))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"uri": ["x" * (300 << 20)]},
            "column uri has a dictionary of 314,572,804 bytes, at most 16,777,216",
        ),
        ({"uri": ["a"] * 300_000}, "it claims 300,000 rows, at most 262,144"),
        ({"uri": ["a"], "labels": [np.zeros(1 << 20, np.int64)]}, "rows 1 to 1: a list in labels has 1,048,576 values"),
    ],
)
def test_parquet_that_decodes_to_much_is_refused(table: dict[str, Any], message: str) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table(table), content, compression="zstd")
    del table
    assert len(content.getvalue()) < 20_000
    with memory_below(100), pytest.raises(ValueError, match=message):
        rows(content.getvalue(), "m.parquet")


def test_a_header_of_many_columns_takes_no_time() -> None:
    header = ",".join(f"c{number}" for number in range(200_000))
    assert len(rows(f"{header}\n{header}\n")) == 1


def gzip_of(start: bytes, mebibytes: int) -> bytes:
    """`start` and a long line."""
    content = io.BytesIO()
    with gzip.open(content, "wb") as file:
        file.write(start)
        for _ in range(mebibytes):
            file.write(b"x" * (1 << 20))
    return content.getvalue()
