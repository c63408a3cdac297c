import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.manifest import MAX_PROBLEMS, ManifestError, read_videos
from cluster.storage import files
from cluster.storage.retry import RetryPolicy
from schemas.videos import Video
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
        "e,e.mp4,,1.5,,\n"
        "f,f.mp4,,inf,,\n"
        "g,g.mp4,,,nan,,,\n"
        "h,h.mp4,,,,\n"
        "h,h2.mp4,,,,\n",
    )
    known = "(known: id, uri, labels, split, start_seconds, end_seconds)"
    whole = "must be a whole number of seconds from 0 on, not"
    assert problems(source) == (
        f"unknown column 'colour' {known}",
        f"unknown column 'lables'; did you mean 'labels'? {known}",
        f"row 1: start_seconds {whole} '-1'",
        "row 2: no uri",
        "row 3: end_seconds 5 is not after start_seconds 5",
        f"row 4: start_seconds {whole} 'one'",
        f"row 5: start_seconds {whole} '1.5'",
        f"row 6: start_seconds {whole} 'inf'",
        "row 7: it has more cells than the header",
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
        "row 1: id must be text, not ['x']",
        "row 2: uri must be text, not {}",
        "row 3: id must be text, not True",
        "row 4: it is no JSON: ",
        "row 5: it is no JSON object",
        "row 6: it is no JSON: ",
        "row 7: a label is a class index or a name, not 1.5",
        "row 8: a label is a class index or a name, not True",
        "row 9: a class index is between 0 and 2147483647, not -1",
        "row 10: a class index is between 0 and 2147483647, not 2147483648",
        "row 11: start_seconds must be",
        "row 12: start_seconds must be",
        "row 13: end_seconds must be a whole number of seconds from 0 on, not nan",
        "row 14: id '\\ud800' holds half of a surrogate pair",
        "row 15: label '\\ud800' holds half of a surrogate pair",
        "unknown column 'label'; did you mean 'labels'?",
    ]
    assert len(found) == len(expected)
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("m.csv", "url,id\na,b\n", "it has no column 'uri'"),
        ("m.csv", "id;uri\na;b\n", "it has no column 'uri'"),
        ("m.csv", "uri,id,id\na,b,c\n", "more than once"),
        ("m.csv", 'uri\n"a\n', "it cannot be parsed: unexpected end of data"),
        ("m.csv", "uri\na\n".encode("utf-16"), "it cannot be parsed: 'utf-8'"),
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


def test_a_folder_names_videos_by_their_path(tmp_path):
    for name in ("b/2.MP4", "b/1.x.webm", "a.mkv", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path, name, b"x")
    for source in (str(tmp_path), f"{tmp_path}/", f"file://{tmp_path}"):
        assert [(video.id, video.uri) for video in read_videos(source)] == [
            ("a", f"{tmp_path}/a.mkv"),
            ("b/1.x", f"{tmp_path}/b/1.x.webm"),
            ("b/2", f"{tmp_path}/b/2.MP4"),
        ]
    assert all(video.version for video in read_videos(str(tmp_path)))
    assert [video.id for video in read_videos(f"{tmp_path}/b/*")] == ["1.x", "2"]
    assert [video.id for video in read_videos(f"{tmp_path}/*/2*")] == ["b/2"]


def test_one_file_is_asked_for_by_its_name(tmp_path):
    for name in ("talk [abc].mp4", "camera", "dump.bin"):
        assert read_videos(write(tmp_path, name, b"x")) == [
            Video(Path(name).stem, f"{tmp_path}/{name}", version=read_videos(f"{tmp_path}/{name}")[0].version)
        ]


def test_a_lone_text_file_in_a_folder_is_no_video(tmp_path):
    write(tmp_path, "readme.txt", b"x")
    assert problems(str(tmp_path)) == ("no video found there",)


def test_a_folder_with_glob_signs_in_its_name(tmp_path):
    folder = tmp_path / "talks [2024]"
    folder.mkdir()
    write(folder, "a [x1].mp4", b"x")
    assert [video.id for video in read_videos(str(folder))] == ["a [x1]"]


def test_two_files_that_differ_in_their_suffix_have_one_id(tmp_path):
    write(tmp_path, "a.mp4", b"x")
    write(tmp_path, "a.mkv", b"x")
    assert "ids must be unique" in problems(str(tmp_path))[0]


def test_a_file_name_that_is_no_text_becomes_an_id_that_can_be_stored(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb") as file:
        file.write(b"x")
    (video,) = read_videos(str(tmp_path))
    assert video.id == "caf\\udce9"
    assert Path(video.uri).read_bytes() == b"x"


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
