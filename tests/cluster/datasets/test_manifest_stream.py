"""A manifest that is a stream has the videos of one that is read as a whole, and its problems."""

from __future__ import annotations

import gzip
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets import manifest, manifest_stream, manifest_videos, spilled_videos
from cluster.datasets.manifest import open_input, read_input
from cluster.datasets.manifest_stream import StreamedManifest
from cluster.datasets.manifest_videos import ManifestError, ManifestReader, with_versions
from cluster.datasets.partitions import PARTS, WHOLE, Partition
from cluster.datasets.video_stream import VideoStream, WholeVideos
from schemas.videos import Video
from tests.support.folders import touch
from tests.support.tars import tar_bytes
from tests.support.video_streams import videos_of

COUNT = 30
COLUMNS = ("id", "uri", "labels", "split", "start_seconds", "end_seconds", "group", "text", "words")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a small manifest is above."""
    monkeypatch.setattr(manifest, "FIRST_ROWS", 5)
    monkeypatch.setattr(manifest_stream, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(spilled_videos, "WINDOW_SECONDS", 0.0)


def row(number: int) -> dict[str, str]:
    """A row with everything that a row can have; some are missing in every other one."""
    has_all = number % 2
    return {
        "id": f"n{number}",
        "uri": f"v/{number}.mp4",
        "labels": f"dog;cat {number % 3}" if has_all else "",
        "split": "train" if has_all else "test",
        "start_seconds": "0.25" if has_all else "",
        "end_seconds": "3" if number % 4 == 1 else "",
        "group": f"g{number % 5}" if has_all else "",
        "text": "bin blue" if has_all else "",
        "words": json.dumps([["bin", 0.5, 1], ["blue", 1, 1.5]]) if has_all else "",
    }


ROWS = [row(number) for number in range(COUNT)]


def written(folder: Path, rows: list[dict[str, str]], name: str = "m.csv") -> str:
    path = folder / name
    columns = list(rows[0])
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
        return str(path)
    if "jsonl" in name:
        text = "".join(json.dumps(each) + "\n" for each in rows)
    else:
        quoted = ['"' + '","'.join(each[name].replace('"', '""') for name in columns) + '"\n' for each in rows]
        text = ",".join(columns) + "\n" + "".join(quoted)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def problems_of(source: str, partition: Partition = WHOLE) -> tuple[tuple[str, ...], dict[str, Video]]:
    """What is wrong with a manifest, and the videos that are handed out all the same: all that may be."""
    found: dict[str, Video] = {}
    is_read, may_end = Event(), Event()
    with closing(open_input(source, partition=partition)) as stream:
        assert isinstance(stream, StreamedManifest)
        all_problems = stream._all_problems

        def held_back() -> list[str]:
            is_read.set()
            assert may_end.wait(60)
            return all_problems()

        stream._all_problems = held_back  # type: ignore[method-assign]
        with pytest.raises(ManifestError) as caught:
            _take_all(stream, found, is_read, may_end)
    assert stream.error is caught.value
    return caught.value.lines, found


def _take_all(stream: VideoStream, found: dict[str, Video], is_read: Event, may_end: Event) -> None:
    was_read = False
    for part in stream.parts(PARTS):
        if part is not None:
            found |= {video.id: video for video in part.videos(np.arange(len(part)))}
        else:
            if was_read:  # and nothing is left
                may_end.set()
            time.sleep(0.001)
        was_read = is_read.is_set()


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.csv.gz", "m.jsonl", "m.jsonl.gz", "m.parquet"])
@pytest.mark.parametrize("partition", [Partition(), Partition(2, 3)], ids=str)
def test_it_has_the_videos_of_a_manifest_that_is_read_as_a_whole(
    name: str, partition: Partition, tmp_path: Path
) -> None:
    touch(tmp_path / "v", *(f"{number}.mp4" for number in range(0, COUNT, 3)))
    source = written(tmp_path, ROWS, name)
    everything = with_versions(read_input(source).videos)
    whole = WholeVideos(everything, partition=partition)
    assert {bool(video.version) for video in everything} == {True, False}
    with closing(open_input(source, partition=partition)) as stream:
        assert (isinstance(stream, StreamedManifest), stream.whole) == (True, None)
        found = videos_of(stream)
        assert sorted(stream.class_names) == ["cat 0", "cat 1", "cat 2", "dog"]
        assert (stream.has_labels, stream.has_splits) == (True, True)
    assert found == {video.id: video for video in whole.all()}
    with closing(open_input(source, partition=partition)) as stream:
        assert list(stream.all()) == list(whole.all())
        assert (list(stream.everything), videos_of(stream)) == (everything, found)


def test_a_small_manifest_is_known_at_once(tmp_path: Path) -> None:
    stream = open_input(written(tmp_path, ROWS[:4]))
    assert [video.id for video in stream.whole or ()] == ["n0", "n1", "n2", "n3"]


def test_names_of_classes_come_in_an_order_that_the_manifest_decides(tmp_path: Path) -> None:
    rows = [{"uri": f"{number}.mp4", "labels": f"c{9 - number // 4};a"} for number in range(12)]
    with closing(open_input(written(tmp_path, rows))) as stream:
        videos_of(stream)
        assert stream.class_names == ["a", "c9", "c8", "c7"], "four rows at a time, each time in alphabetical order"


def test_work_begins_while_the_manifest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = Event()
    rows_in = manifest_videos.rows_in

    def slow(*given: object) -> Iterator[manifest_videos.ManifestRow]:
        for number, each in enumerate(rows_in(*given)):
            if number == 20:
                assert may_go_on.wait(10)
            yield each

    monkeypatch.setattr(manifest_videos, "rows_in", slow)
    with closing(open_input(written(tmp_path, ROWS))) as stream:
        parts = stream.parts(PARTS)
        first = next(part for part in parts if part is not None)
        may_go_on.set()
        assert len(first) + sum(len(part) for part in parts if part is not None) == COUNT


def test_problems_late_in_the_file_end_the_stream_with_all_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*ROWS[:10], replace_cell(ROWS[10], "end_seconds", "x"), *ROWS[11:20], replace_cell(ROWS[20], "uri", "")]
    source = written(tmp_path, [*rows, *ROWS[21:]])
    with caplog.at_level("WARNING", "framemill"):
        lines, found = problems_of(source)
    assert lines == (
        "line 12: end_seconds must be a number of seconds from 0 to 1000000000, not 'x'",
        "line 22: no uri",
    )
    assert not {"n10", "n20"} & found.keys()
    assert "line 12: end_seconds must be" in caplog.text
    assert "the run ends, and lists all problems, once the manifest has been read" in caplog.text
    with closing(open_input(source)) as stream, pytest.raises(ManifestError) as caught:
        stream.all()
    assert caught.value.lines == lines


def replace_cell(cells: dict[str, str], name: str, value: str) -> dict[str, str]:
    return {**cells, name: value}


def test_problems_among_the_first_rows_are_found_before_any_work(tmp_path: Path) -> None:
    for rows, problem in [
        ([replace_cell(ROWS[0], "uri", ""), *ROWS[1:]], "line 2: no uri"),
        ([ROWS[0], ROWS[0], *ROWS[1:]], "id 'n0' stands for both"),
    ]:
        with pytest.raises(ManifestError) as caught:
            open_input(written(tmp_path, rows))
        assert caught.value.lines[0].startswith(problem)
    with pytest.raises(ManifestError, match="--exclude goes with folders"):
        open_input(written(tmp_path, ROWS), exclude=("a",))


@pytest.mark.parametrize("name", ["m.parquet", "m.csv.gz"])
def test_a_file_that_is_damaged_is_a_problem(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_stream, "ROWS_AT_ONCE", 1000)
    rows = [{"id": f"{number:05}", "uri": f"{number * 7919 % 10007:05}.mp4"} for number in range(4000)]
    path = Path(written(tmp_path, rows, name))
    content = bytearray(path.read_bytes())
    if name == "m.parquet":
        place = len(content) // 3
        content[place : place + 500] = bytes(500)
    else:
        content = content[:-1000]
    path.write_bytes(content)
    try:
        lines, _ = problems_of(str(path))
    except ManifestError as error:  # headers of pages are read before any row
        lines = error.lines
    assert lines[0].startswith("it cannot be parsed: ")


def test_an_id_that_stands_twice_is_handed_out_once(tmp_path: Path) -> None:
    later = [replace_cell(ROWS[number], "uri", f"other/{number}.mp4") for number in (0, 7)]
    lines, found = problems_of(written(tmp_path, [*ROWS, *later]))
    assert sorted(lines) == [
        f"id 'n{number}' stands for both '{tmp_path}/v/{number}.mp4' and '{tmp_path}/other/{number}.mp4'; ids must be "
        "unique (a manifest can give each video an id of its own)"
        for number in (0, 7)
    ]
    assert {found[name].uri for name in ("n0", "n7")} == {f"{tmp_path}/v/0.mp4", f"{tmp_path}/v/7.mp4"}


def test_an_id_may_stand_twice_in_one_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spilled_videos, "WINDOW_SECONDS", 60.0)
    monkeypatch.setattr(manifest_stream, "ROWS_AT_ONCE", 1000)
    lines, found = problems_of(written(tmp_path, [*ROWS, replace_cell(ROWS[9], "uri", "other.mp4")]))
    assert (len(lines), len(found), found["n9"].uri) == (1, COUNT, f"{tmp_path}/v/9.mp4")


def test_names_that_differ_in_the_extension_alone_need_ids(tmp_path: Path) -> None:
    rows = [{"uri": f"{number}.mp4"} for number in range(COUNT)]
    lines, _ = problems_of(written(tmp_path, [*rows, {"uri": "3.avi"}]))
    assert lines == (
        f"id '3' stands for both '{tmp_path}/3.mp4' and '{tmp_path}/3.avi'; ids must be unique (a manifest can give "
        "each video an id of its own)",
    )


def test_a_video_in_two_splits_is_found(tmp_path: Path) -> None:
    again = {**ROWS[2], "id": "again", "split": "train"}
    other_interval = {**ROWS[1], "id": "other", "start_seconds": "0.5", "split": "test", "words": "", "text": ""}
    source = written(tmp_path, [*ROWS, again, other_interval])
    for partition in (Partition(), Partition(1, 2), Partition(2, 2)):
        lines, _ = problems_of(source, partition)
        assert lines == (f"'n2' and 'again' are one video in two splits: '{tmp_path}/v/2.mp4'",)
    with pytest.raises(ManifestError) as caught:
        read_input(source)
    assert caught.value.lines == lines


def test_labels_are_of_one_kind(tmp_path: Path) -> None:
    rows = [{"uri": f"{number}.mp4", "labels": "3" if number > 20 else ""} for number in range(COUNT)]
    lines, found = problems_of(written(tmp_path, [*rows, {"uri": "x.mp4", "labels": "dog"}]))
    assert lines == ("labels are class indices or names, not both: there are 3 and 'dog'",)
    assert "x" not in found, "its index would be that of another class"


def test_no_more_than_so_many_problems_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_videos, "MAX_FOUND", 3)
    lines, _ = problems_of(written(tmp_path, [*ROWS, *(replace_cell(each, "uri", "") for each in ROWS)]))
    assert lines[3:] == ("line 35: no uri", "line 36 and those after it are not read")


def test_a_version_that_changes_is_told(tmp_path: Path) -> None:
    touch(tmp_path / "v", *(f"{number}.mp4" for number in range(COUNT)))
    source = written(tmp_path, ROWS)
    with closing(open_input(source)) as stream:
        before = videos_of(stream)
    (tmp_path / "v" / "17.mp4").write_bytes(b"another")
    with closing(open_input(source)) as stream:
        after = videos_of(stream)
    assert [name for name in before if before[name] != after[name]] == ["n17"]
    assert replace(before["n17"], version="") == replace(after["n17"], version="")


def test_tars_are_unpacked_as_their_rows_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    members = [("a.mp4", b"1"), ("b.left.mp4", b"2"), ("b.right.mp4", b"3"), ("a.cls", b"7"), ("x.json", b"")]
    for number in range(3):
        (tmp_path / f"{number}.tar").write_bytes(tar_bytes(members))
    (tmp_path / "3.tar").write_bytes(b"no tar" * 500)
    rows = [{"id": each["id"], "uri": each["uri"]} for each in ROWS]
    tars = [{"id": f"t{number}", "uri": f"{number}.tar"} for number in range(4)]
    source = written(tmp_path, [*rows[:20], *tars, *rows[20:]])
    expected = {video.id: video for video in with_versions(read_input(source).videos)}
    caplog.clear()
    with caplog.at_level("INFO", "framemill"), closing(open_input(source)) as stream:
        assert videos_of(stream) == expected
        assert (stream.unread, stream.unread_share) == ((f"{tmp_path}/3.tar",), 0.25)
    assert expected["t0/a"].labels == (7,)
    assert "left out of tars, as their extensions are not those of videos: 3 .json" in caplog.text
    lines, _ = problems_of(written(tmp_path, [*rows, *tars, {"id": "again", "uri": "1.tar"}]))
    assert len(lines) == 3
    assert lines[0].startswith("'t1/")
    assert "are one member of a tar" in lines[0]


def test_few_tars_are_many_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0.tar").write_bytes(tar_bytes([("a.mp4", b"1")]))
    for most in (manifest.MEMBERS, manifest.MEMBERS + 2):
        monkeypatch.setattr(manifest, "FIRST_ROWS", most)
        with closing(open_input(written(tmp_path, [{"uri": "0.tar"}]))) as stream:
            assert (stream.whole is None) == (most == manifest.MEMBERS)
            assert len(stream.all()) == 1


def test_a_stream_that_is_closed_is_read_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    source = written(tmp_path, [{"uri": f"{number}.mp4"} for number in range(20_000)])
    stream = open_input(source)
    assert list((tmp_path / "temporary").iterdir())
    next(stream.parts(PARTS))
    stream.close()
    for thread in threading.enumerate():
        if thread.name == "videos":
            thread.join(10)
    assert isinstance(stream, StreamedManifest)
    assert next(iter(stream._reader), None) is None
    assert stream._spill.rows < 20_000
    assert not list((tmp_path / "temporary").iterdir())
    open_input(source).close()
    assert not list((tmp_path / "temporary").iterdir())


def test_a_reader_holds_few_rows(tmp_path: Path) -> None:
    reader = ManifestReader(written(tmp_path, ROWS))
    assert next(iter(reader))[0].id == "n0"
    reader.close()
    assert list(reader) == []
