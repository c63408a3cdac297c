from __future__ import annotations

import pytest

from cluster.datasets.vocabulary import (
    ClassNamesError,
    Vocabulary,
    extend_vocabulary,
    read_class_names,
    read_vocabulary,
    write_vocabulary,
)
from cluster.storage import files
from cluster.storage.files import StorageError
from cluster.storage.lease import Lease
from schemas.videos import Video
from tests.support.servers import gs_bucket


def video(*labels: int | str) -> Video:
    return Video("v", "v.mp4", labels)


def test_names_are_counted_in_alphabetical_order():
    vocabulary = Vocabulary()
    assert vocabulary.add([video("dog", "cat"), video(), video("cat", "ant")])
    assert vocabulary.names == ["ant", "cat", "dog"]
    assert vocabulary.indices(video("dog", "ant")) == (2, 0)


def test_indices_pass_through():
    vocabulary = Vocabulary()
    assert not vocabulary.add([video(7, 0)])
    assert vocabulary.indices(video(7, 0)) == (7, 0)


def test_a_name_keeps_its_index_over_many_runs(tmp_path):
    uri = str(tmp_path / "vocabulary.csv")
    nights = [["cat", "dog"], ["ant"], ["cat"], ["bee", "ant", "zebra"]]
    for names in nights:
        vocabulary = read_vocabulary(uri)
        if vocabulary.add([video(*names)]):
            write_vocabulary(uri, vocabulary)
    assert read_vocabulary(uri).names == ["cat", "dog", "ant", "bee", "zebra"]
    assert files.read_bytes(uri) == b'"index","name"\n0,"cat"\n1,"dog"\n2,"ant"\n3,"bee"\n4,"zebra"\n'


def test_any_name_survives_the_file(tmp_path):
    uri = str(tmp_path / "vocabulary.csv")
    names = ['say "hi", twice', "line\nbreak", "carriage\rreturn", "é日🎬", "=1+1", "0", " spaced ", "\x00"]
    write_vocabulary(uri, Vocabulary(names))
    assert read_vocabulary(uri).names == names


def test_a_spreadsheet_computes_no_name(tmp_path):
    uri = str(tmp_path / "vocabulary.csv")
    names = ["=HYPERLINK(1)", "-5", "'=x", "+a", "\t@b", "it's"]
    write_vocabulary(uri, Vocabulary(names))
    cells = [line.split(",", 1)[1].strip('"') for line in files.read_bytes(uri).decode().splitlines()[1:]]
    assert cells == ["'=HYPERLINK(1)", "'-5", "''=x", "'+a", "'\t@b", "it's"]
    assert read_vocabulary(uri).names == names
    assert list(read_class_names(uri)) == names


def test_names_of_older_files_are_read_as_they_are(tmp_path):
    (tmp_path / "v.csv").write_text('"index","name"\n0,"=1+1"\n1,"-5"\n')
    assert read_vocabulary(str(tmp_path / "v.csv")).names == ["=1+1", "-5"]


def test_without_a_file_it_is_empty(tmp_path):
    assert read_vocabulary(str(tmp_path / "none.csv")).names == []


def test_a_file_of_its_header_alone_is_empty(tmp_path):
    (tmp_path / "v.csv").write_text("index,name\n")
    assert read_vocabulary(str(tmp_path / "v.csv")).names == []


def test_a_spreadsheet_may_have_saved_it(tmp_path):
    (tmp_path / "v.csv").write_bytes(b"\xef\xbb\xbfindex,name\r\n0,cat\r\n1,dog\r\n")
    assert read_vocabulary(str(tmp_path / "v.csv")).names == ["cat", "dog"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name,index\ncat,0\n",
        b"index,name\n1,cat\n",
        b"index,name\n0,cat\n2,dog\n",
        b"index,name\n0,cat\n1,cat\n",
        b"index,name\n0,cat\n\n",
        b"index,name\n0\n",
        b"index,name\n0,cat,more\n",
        b"index,name\n0,\xff\n",
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "v.csv").write_bytes(content)
    with pytest.raises(StorageError, match=r"v\.csv is no vocabulary: expected the columns index, name"):
        read_vocabulary(str(tmp_path / "v.csv"))


YOUTUBE_8M = (
    "Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl,Vertical1,Vertical2,Vertical3,WikiDescription\n"
    '1,540149,/m/07yv9,Vehicle,https://v,Autos & Vehicles,,,"A vehicle, or\nso"\n'
    "0,788288,/m/03bt1gh,Game,https://g,Games,,,A game\n"
    "2,3,/m/0x,Game,https://h,Games,,,Another\n"
    "3,3,/m/0y,,,Games,,,Nameless\n"
)


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "names.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_youtube_8ms_vocabulary(write):
    names = ("Game (/m/03bt1gh)", "Vehicle", "Game (/m/0x)", "(/m/0y)")
    assert read_class_names(write(YOUTUBE_8M), expected=4) == names


def test_a_plain_list(write):
    assert read_class_names(write("\ufeffcat\r\nsmall, dog\r\nant\r\n\r\n")) == ("cat", "small, dog", "ant")


def test_our_own(tmp_path):
    names = ['say "hi", twice', "line\nbreak", "carriage\rreturn", "é日🎬", " spaced "]
    write_vocabulary(str(tmp_path / "vocabulary.csv"), Vocabulary(names))
    assert read_class_names(str(tmp_path / "vocabulary.csv")) == tuple(names)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it names no class"),
        ("index,name\n", "it names no class"),
        ("cat\n\ndog\n", "line 2 is empty"),
        ("cat\ndog\ncat\n", "'cat' is there more than once"),
        ("index,name\n0,cat\n1,cat\n", "'cat' is there more than once"),
        ("index,name\n0,cat\n0,dog\n", "index 0 is there more than once"),
        ("index,name\n0,cat\n999999999999,dog\n", "1 is missing"),
        ("index,name\nx,cat\n", "line 2: expected an index and a name, not 'x,cat'"),
        ("index,name\n0\n", "line 2: expected"),
        (f"index,name\n{'9' * 5_000},cat\n", "line 2: expected an index and a name, not '9999"),
        pytest.param("cat," + "x" * 200_000, "field larger than field limit", id="long header"),
        pytest.param("index,name\n0," + "x" * 200_000, "field larger than field limit", id="long name"),
        (b"cat\ncaf\xe9\n", "line 2: byte 0xe9 is no UTF-8"),
    ],
)
def test_a_file_that_names_nothing_is_refused(write, content, problem):
    with pytest.raises(ClassNamesError, match=problem):
        read_class_names(write(content))


def test_a_wrong_length_is_told_with_both_numbers(write):
    with pytest.raises(ClassNamesError, match="it names 2 classes, but 10 are needed"):
        read_class_names(write("cat\ndog\n"), expected=10)


def test_names_that_an_overtaken_run_adds_meanwhile_are_kept():
    with gs_bucket() as bucket:
        uri = f"{bucket}/vocabulary.csv"
        writer = Lease(f"{bucket}/lease.json", "r2")
        writer.acquire()
        assert extend_vocabulary(writer, uri, ["cat"]).names == ["cat"]
        replace = writer.replace

        def replace_late(where: str, data: bytes, version: str) -> str:
            writer.replace = replace
            write_vocabulary(uri, Vocabulary(["cat", "late"]))
            return replace(where, data, version)

        writer.replace = replace_late
        assert extend_vocabulary(writer, uri, ["dog", "cat"]).names == ["cat", "late", "dog"]
        assert read_vocabulary(uri).names == ["cat", "late", "dog"]
        writer.release()
