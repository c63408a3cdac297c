import gzip
import io
import json
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets import manifest_videos
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_rows import is_manifest
from cluster.datasets.manifest_videos import HERE, MAX_PROBLEMS, ManifestError
from cluster.storage import files
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.retry import RetryPolicy
from schemas.videos import Video
from tests.support.memory import memory_below
from tests.support.servers import http_files

ROWS = [
    {"id": "b", "uri": "sub/b.mp4", "labels": ["cat", "dog"], "split": "train", "start_seconds": 2, "end_seconds": 9},
    {"id": "a", "uri": "/abs/a.mp4", "labels": None, "split": None, "start_seconds": None, "end_seconds": None},
    {"id": None, "uri": "gs://bucket/x/c.mp4", "labels": [], "split": "", "start_seconds": 0, "end_seconds": None},
]


def as_csv(rows: list[dict]) -> bytes:
    lines = [",".join(rows[0])]
    for row in rows:
        cells = [
            ";".join(value) if isinstance(value, list) else "" if value is None else str(value)
            for value in row.values()
        ]
        lines.append(",".join(cells))
    return "\r\n".join(lines).encode()


def as_jsonl(rows: list[dict]) -> bytes:
    return "\n\n".join(json.dumps(row) for row in rows).encode()


def as_parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def write(folder: Path, name: str, content: bytes | str) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def problems(source: str) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as caught:
        read_videos(source)
    assert str(caught.value).startswith(f"{source}:\n  - ")
    return caught.value.lines


@pytest.mark.parametrize(
    ("suffix", "encode"), [(".csv", as_csv), (".JSONL", as_jsonl), (".ndjson", as_jsonl), (".parquet", as_parquet)]
)
def test_each_format_gives_the_same_videos(tmp_path, suffix, encode):
    assert read_videos(write(tmp_path, f"m{suffix}", encode(ROWS))) == [
        Video("b", f"{tmp_path}/sub/b.mp4", ("cat", "dog"), "train", 2, 9),
        Video("a", "/abs/a.mp4"),
        Video("gs://bucket/x/c", "gs://bucket/x/c.mp4"),
    ]


def test_columns_may_come_in_any_order_and_with_a_byte_order_mark(tmp_path):
    source = write(tmp_path, "m.csv", b"\xef\xbb\xbfuri,id\nv.mp4,7\n")
    assert read_videos(source) == [Video("7", f"{tmp_path}/v.mp4")]


def test_a_video_without_an_id_is_named_by_its_path(tmp_path):
    source = write(tmp_path, "m.csv", "uri\nx/v.1.mp4\nhttps://user:secret@host/w.mp4?signature=se.cret\n")
    assert [video.id for video in read_videos(source)] == ["x/v.1", "https://***@host/w"]
    assert read_videos(source)[1].uri == "https://user:secret@host/w.mp4?signature=se.cret"


def test_labels_are_indices_or_names(tmp_path):
    by_index = write(
        tmp_path, "i.jsonl", '{"uri":"a","labels":[0,"12",3]}\n{"uri":"b","labels":4}\n{"uri":"c","labels":"5;6"}'
    )
    assert [video.labels for video in read_videos(by_index)] == [(0, 12, 3), (4,), (5, 6)]
    by_name = write(tmp_path, "n.csv", "uri,labels\na, cat ; big dog;;\nb,-1\nc,\n")
    assert [video.labels for video in read_videos(by_name)] == [("cat", "big dog"), ("-1",), ()]


def test_indices_and_names_do_not_mix(tmp_path):
    source = write(tmp_path, "m.csv", "uri,labels\na,0\nb,cat\n")
    assert problems(source) == ("labels are class indices or names, not both: there are 0 and 'cat'",)


def test_zero_is_an_id(tmp_path):
    for name, content in (
        ("m.jsonl", '{"id":0,"uri":"a"}'),
        ("m.csv", "id,uri\n0,a"),
        ("m.parquet", as_parquet([{"id": 0, "uri": "a"}])),
    ):
        assert [video.id for video in read_videos(write(tmp_path, name, content))] == ["0"]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a\tb",
        "line\nbreak",
        "x" * 4096,
        "\x00\x1b[31m",
        "é\u2028日\x85🎬",
        "NUL",
        "a;b,c\"d'",
    ],
)
def test_ids_are_data(tmp_path, name):
    row = {"id": name, "uri": "v.mp4"}
    for ascii_only in (True, False):
        source = write(tmp_path, "m.jsonl", json.dumps(row, ensure_ascii=ascii_only))
        assert read_videos(source) == [Video(name.strip(), f"{tmp_path}/v.mp4")]
    assert read_videos(write(tmp_path, "m.parquet", as_parquet([row])))[0].id == name
    quoted = name.replace('"', '""')
    assert read_videos(write(tmp_path, "m.csv", f'id,uri\r\n"{quoted}",v.mp4\r\n'))[0].id == name


def test_every_mistake_of_a_csv_is_reported_at_once(tmp_path):
    source = write(
        tmp_path,
        "m.csv",
        "id,uri,lables,start_seconds,end_seconds,colour\n"
        "a,a.mp4,,-1,,\n"
        "b,,,,,\n"
        "c,c.mp4,,5,5,\n"
        "d,d.mp4,,one,,\n"
        "e,e.mp4,,1:05,,\n"
        "f,f.mp4,,inf,,\n"
        "g,g.mp4,,,nan,,,x\n"
        "h,h.mp4,,,,\n"
        "h,h2.mp4,,,,\n",
    )
    known = "(known: id, uri, labels, split, start_seconds, end_seconds, group, text, words)"
    number = "must be a number of seconds from 0 to 1000000000, not"
    assert problems(source) == (
        f"unknown column 'colour' {known}",
        f"unknown column 'lables'; did you mean 'labels'? {known}",
        f"line 2: start_seconds {number} '-1'",
        "line 3: no uri",
        "line 4: end_seconds 5 is not after start_seconds 5",
        f"line 5: start_seconds {number} 'one'",
        f"line 6: start_seconds {number} '1:05'",
        f"line 7: start_seconds {number} 'inf'",
        "line 8: it has 8 cells, and the header 6: a cell with ',' in it needs quotes, and several labels are "
        "separated by ';'",
        f"id 'h' stands for both '{tmp_path}/h.mp4' and '{tmp_path}/h2.mp4'; ids must be unique "
        "(a manifest can give each video an id of its own)",
    )


def test_every_mistake_of_jsonl_is_reported_at_once(tmp_path):
    rows = [
        '{"uri": "a", "id": ["x"]}',
        '{"uri": {}, "id": "b"}',
        '{"uri": "c", "id": true}',
        "{",
        "[1]",
        "[" * 100_000,
        '{"uri": "d", "labels": [1.5]}',
        '{"uri": "e", "labels": [true, null]}',
        '{"uri": "f", "labels": [-1]}',
        '{"uri": "g", "labels": [2147483648]}',
        '{"uri": "h", "start_seconds": [1]}',
        '{"uri": "i", "start_seconds": 1' + "0" * 400 + "}",
        '{"uri": "j", "end_seconds": NaN}',
        '{"uri": "k", "id": "\\ud800"}',
        '{"uri": "l", "labels": ["\\ud800"]}',
        '{"uri": "m", "label": 1}',
        '{"uri": "n"}',
    ]
    found = problems(write(tmp_path, "m.jsonl", "\n".join(rows)))
    expected = [
        "line 1: id must be text, not ['x']",
        "line 2: uri must be text, not {}",
        "line 3: id must be text, not True",
        "line 4: it is no JSON: ",
        "line 5: it is no JSON object",
        "line 6: it cannot be read: it is nested too deeply",
        "line 7: a label is a class index or a name, not 1.5",
        "line 8: a label is a class index or a name, not True",
        "line 9: a class index is between 0 and 2147483647, not -1",
        "line 10: a class index is between 0 and 2147483647, not 2147483648",
        "line 11: start_seconds must be",
        "line 12: it cannot be read: '1000",
        "line 13: end_seconds must be a number of seconds from 0 to 1000000000, not nan",
        "line 14: id '\\ud800' holds half of a surrogate pair",
        "line 15: label '\\ud800' holds half of a surrogate pair",
        "unknown column 'label'; did you mean 'labels'?",
    ]
    assert len(found) == len(expected)
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("m.csv", "url,id\na,b\n", "it has no column 'uri'"),
        ("m.csv", "id;url\na;b\n", "it has no column 'uri'"),
        ("m.csv", "uri,id,id\na,b,c\n", "more than once"),
        ("m.csv", 'uri\n"a\n', "it cannot be parsed: line 2: a quote is opened and never closed"),
        ("m.csv", "", "no video found there"),
        ("m.csv", "uri,id\n", "no video found there"),
        ("m.jsonl", "\n\n", "no video found there"),
        ("m.parquet", "not Parquet", "it cannot be parsed"),
        ("m.parquet", as_parquet([{"path": "a"}]), "it has no column 'uri'"),
        ("m.parquet", as_parquet([{"uri": b"a"}]), "row 1: uri must be text, not b'a'"),
        ("m.parquet", as_parquet([{"uri": "a", "labels": [0.5]}]), "row 1: a label is a class index or a name"),
    ],
)
def test_files_that_are_no_manifest(tmp_path, name, content, problem):
    assert problem in problems(write(tmp_path, name, content))[-1]


def test_a_column_that_is_almost_right_is_named(tmp_path):
    found = problems(write(tmp_path, "m.csv", "url,id\na,b\n"))
    assert found[0].startswith("unknown column 'url'; did you mean 'uri'?")


def test_many_problems_are_kept_and_a_few_are_shown(tmp_path):
    with pytest.raises(ManifestError, match="… and 80 more") as caught:
        read_videos(write(tmp_path, "m.csv", "id,uri\n" + "x,\n" * 100))
    assert len(caught.value.lines) == 100
    assert len(str(caught.value).splitlines()) == MAX_PROBLEMS + 2


def test_a_manifest_that_is_not_there(tmp_path):
    for source in (f"{tmp_path}/none.csv", f"{tmp_path}", "ftp://host/m.csv"):
        assert len(problems(source)) == 1
    assert "No such file" in problems(f"{tmp_path}/none.csv")[0]
    assert "No such file" in problems(f"{tmp_path}/none")[0]
    assert "only these schemes are read" in problems("ftp://host/videos")[0]


def test_uris_of_local_files_are_percent_encoded(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    rows = f"id,uri\na,1.mp4\nb,file://localhost{tmp_path}/a%20folder/2%25.mp4\nc,file:{tmp_path}/a%20folder/1.mp4\n"
    write(folder, "m.csv", rows.encode())
    found = read_videos(f"file://{tmp_path}/a%20folder/m.csv")
    assert [files.local_path(video.uri) for video in found] == [
        f"{folder}/{name}" for name in ("1.mp4", "2%.mp4", "1.mp4")
    ]


def test_a_manifest_and_a_video_over_http(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "RETRY_POLICY", RetryPolicy(total_seconds=0.0))
    write(tmp_path, "m.csv", "uri\nsub/v.mp4\n")
    write(tmp_path, "v.mp4", b"x")
    with http_files(tmp_path) as url:
        assert read_videos(f"{url}/m.csv") == [Video("sub/v", f"{url}/sub/v.mp4")]
        assert [(video.id, video.uri) for video in read_videos(f"{url}/v.mp4?signature=1")] == [
            ("v", f"{url}/v.mp4?signature=1")
        ]
        found = problems(f"{url}/status/503/m.csv")
        assert "503" in found[0]


def test_a_query_after_its_extension_does_not_hide_a_manifest(tmp_path):
    write(tmp_path, "m.csv", "uri\nsub/v.mp4\nhttps://h/w.mp4#t\n")
    with http_files(tmp_path) as url:
        for query in ("?token=a/b.mp4", "#a/b"):
            first, second = read_videos(f"{url}/m.csv{query}")
            assert first == Video("sub/v", f"{url}/sub/v.mp4")
            assert second == Video("https://h/w", "https://h/w.mp4#t")
    assert not is_manifest("https://h/v.mp4?list=m.csv")
    assert is_manifest("what?.csv")


def test_a_manifest_elsewhere_names_no_file_of_this_machine(tmp_path):
    uris = ["/etc/passwd", "file:///etc/passwd", "FILE:/etc/passwd", "file://localhost/etc/passwd"]
    write(tmp_path, "m.csv", "\n".join(["id,uri", *(f"{number},{uri}" for number, uri in enumerate(uris))]))
    write(tmp_path, "n.csv", "id,uri\na,~/v.mp4\nb,../v.mp4\nc,http://127.0.0.1/v.mp4\nd,file://other/v.mp4\n")
    with http_files(tmp_path) as url:
        found = problems(f"{url}/m.csv")
        assert list(found) == [f"line {number}: {uri!r} is {HERE}" for number, uri in enumerate(uris, 2)]
        assert "--allow-local-files" in HERE
        allowed = read_videos(f"{url}/m.csv", (), ReadPolicy(allow_local_files=True))
        assert [video.uri for video in allowed] == uris
        assert [video.id for video in read_videos(f"{url}/m.csv", needs_uri=False)] == ["0", "1", "2", "3"]
        assert [video.uri for video in read_videos(f"{url}/n.csv")][:2] == [f"{url}/~/v.mp4", f"{url}/../v.mp4"]
    assert [video.uri for video in read_videos(str(tmp_path / "m.csv"))] == uris


def test_lists_of_labels_in_cells_are_taken_apart(tmp_path):
    source = write(tmp_path, "m.csv", """uri,labels\na,"['cat', 'big dog']"\nb,"[""cat""]"\nc,[]\n""")
    assert [video.labels for video in read_videos(source)] == [("cat", "big dog"), ("cat",), ()]
    found = problems(write(tmp_path, "n.csv", """uri,labels\na,x\nb,['a' 'b']\n"""))
    assert found == (
        "line 3: labels \"['a' 'b']\" are a list that cannot be read: separate them by ';', or write JSON",
    )


def test_a_table_as_pandas_and_excel_write_it(tmp_path):
    table = 'sep=;\r\n;uri;labels\r\n0;a.mp4;"cat;dog"\r\n1;b.mp4;\r\n;;\r\n'
    for name, content in (
        ("m.csv", table.encode("utf-16")),
        ("m.csv.gz", gzip.compress(table.encode())),
        (
            "m.tsv",
            table.replace("sep=;\r\n", "")
            .replace('"cat;dog"', "cat~dog")
            .replace(";", "\t")
            .replace("~", ";")
            .encode(),
        ),
    ):
        assert read_videos(write(tmp_path, name, content)) == [
            Video("a", f"{tmp_path}/a.mp4", ("cat", "dog")),
            Video("b", f"{tmp_path}/b.mp4"),
        ]


def test_rows_without_ids_are_told_apart_by_their_extensions(tmp_path):
    source = write(tmp_path, "m.csv", "id,uri\n,x/a.mp4\n,x/a.mkv\nb,b.mp4\n,b.mkv\n,c.mp4\n")
    assert [video.id for video in read_videos(source)] == ["x/a.mp4", "x/a.mkv", "b", "b.mkv", "c"]
    twice = write(tmp_path, "n.csv", "uri\na.mp4\na.mp4\n")
    assert problems(twice)[0].startswith("id 'a.mp4' stands for both")


def test_a_video_is_in_one_split(tmp_path):
    header, both = "id,uri,split,start_seconds,end_seconds\n", "a,x.mp4,train,{}\nb,x.mp4,test,{}\n"
    for first, second in ((",", ","), ("1,2", "1,2"), (",2", "0,2")):
        (found,) = problems(write(tmp_path, "m.csv", header + both.format(first, second)))
        assert found == f"'a' and 'b' are one video in two splits: '{tmp_path}/x.mp4'"
    for apart in (both.format("0,2", "2,4"), both.replace("test", "train").format(",", ",")):
        assert len(read_videos(write(tmp_path, "m.csv", header + apart))) == 2


@pytest.mark.parametrize("name", ["m.txt", "m.json", "m.xlsx", "videos.zip", "m.parquet.gz"])
def test_other_formats_are_refused_by_name_with_the_remedy(tmp_path, name):
    (found,) = problems(write(tmp_path, name, b"uri\na.mp4\n"))
    assert found.startswith(f"{Path(name).suffix} is not read: ")
    folder = tmp_path / "folder.txt"
    folder.mkdir(exist_ok=True)
    write(folder, "a.mp4", b"x")
    assert [video.id for video in read_videos(str(folder))] == ["a"]


def test_a_relative_path_that_is_not_there_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source, verb in (("none.csv", "read"), ("none", "listed"), ("none/*.mp4", "listed")):
        (found,) = problems(source)
        assert found.startswith(f"it cannot be {verb}: [Errno 2] No such file or directory: '{tmp_path}/none")
        assert found.endswith(f"({source!r} counts from the working directory)")
    assert "counts from" not in problems(f"{tmp_path}/none.csv")[0]
    folder = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert "'videos/' counts from the folder of the Ray job, to which --working-dir is sent" in problems("videos/")[0]


def test_patterns_leave_out_files_of_folders_and_no_rows(tmp_path):
    write(tmp_path, "a.mp4", b"x")
    write(tmp_path, "b.mp4", b"x")
    assert [video.id for video in read_videos(str(tmp_path), ("b.*",))] == ["a"]
    source = write(tmp_path, "m.csv", "uri\na.mp4\n")
    with pytest.raises(ManifestError, match="--exclude goes with folders: remove rows from the manifest instead"):
        read_videos(source, ("b.*",))


def test_a_field_of_any_length_is_no_more_than_a_problem(tmp_path):
    rows = [{"uri": "x" * 200_000}, {"uri": ["y"] * 100_000}, {"uri": "a", "split": "z" * 200_000}]
    found = problems(write(tmp_path, "m.jsonl", as_jsonl(rows)))
    assert [line[:60] for line in found] == [
        "line 1: uri is longer than 131072 characters: 'xxxxxxxxxxxxx",
        "line 3: uri must be text, not ['y', 'y', 'y', 'y', 'y', 'y',",
        "line 5: split is longer than 131072 characters: 'zzzzzzzzzzz",
    ]
    assert all(len(line) < 200 for line in found)


def test_problems_without_end_are_not_all_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_videos, "MAX_FOUND", 50)
    found = problems(write(tmp_path, "m.csv", "id,uri\n" + "x,\n" * 100))
    assert found[49:] == ("line 51: no uri", "line 52: no uri", "line 53 and those after it are not read")
    row = "{" + ", ".join(f'"c{number}": 1' for number in range(5000)) + "}"
    assert (
        len(problems(write(tmp_path, "m.jsonl", f'{{"uri": "a"}}\n{row}\n'))) == 22
    )  # those of the columns, and no uri


def test_rows_of_a_small_file_are_bounded(tmp_path):
    table = pa.table({"id": pa.array(range(300_000)), "uri": ["a.mp4"] * 300_000})
    path = tmp_path / "m.parquet"
    encoding = {"id": "DELTA_BINARY_PACKED"}
    pq.write_table(table, path, compression="zstd", use_dictionary=["uri"], column_encoding=encoding)
    with memory_below(50):
        (found,) = problems(str(path))
    assert "it claims 300,000 rows, at most 262,144 in" in found


def test_a_damaged_page_is_a_problem(tmp_path):
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"uri": [f"{number}.mp4" for number in range(5000)]}), path, compression="zstd")
    content = path.read_bytes()
    path.write_bytes(content[:5000] + bytes(200) + content[5200:])
    (found,) = problems(str(path))
    assert found.startswith("it cannot be parsed: ")


def test_times_are_microseconds_and_the_rest_is_cut_off(tmp_path):
    """Rounded up, an interval would hold the frame at its end."""
    path = tmp_path / "clips.csv"
    path.write_text("id,uri,start_seconds,end_seconds,group\na,a.mp4,1/3,0.6666669,anna\nb,b.mp4,1.0,2.50,\n")
    first, second = read_videos(str(path))
    assert (first.start_seconds, first.end_seconds) == (Fraction(333_333, 10**6), Fraction(666_666, 10**6))
    assert (second.start_seconds, second.end_seconds) == (1, Fraction(5, 2))
    assert (first.group, second.group) == ("anna", "")


def test_mistakes_in_sentences_are_reported_by_line(tmp_path):
    source = write(
        tmp_path,
        "m.csv",
        "uri,text,words,start_seconds,end_seconds\n"
        'a.mpg,bin blue,"[[""bin"", 1, 2], [""blue"", 2, 3]]",1,3\n'
        'b.mpg,bin,"[[""bin"", 1, 2.5]]",,2.25\n'
        'c.mpg,bin,"[[""bin"", 1, 2]]",1.5,\n'
        'd.mpg,,"[[""bin"", 1, 2]]",,\n'
        "e.mpg,a\x07,,,\n",
    )
    assert problems(source) == (
        "line 3: word 'bin' is spoken from 1 to 2.5 s, outside the video, which goes from 0 to 2.25 s",
        "line 4: word 'bin' is spoken from 1 to 2 s, outside the video, which goes from 1.5 to its end",
        "line 5: the words are 'bin', and the text is '': they must agree",
        "line 6: text 'a\\x07' has invisible characters, which are no text: remove them",
    )
