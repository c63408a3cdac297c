import pytest

from cluster import storage
from cluster.storage import StorageError
from cluster.vocabulary import Vocabulary, read_vocabulary, write_vocabulary
from schemas.videos import Video


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
    assert storage.read_bytes(uri) == b'"index","name"\n0,"cat"\n1,"dog"\n2,"ant"\n3,"bee"\n4,"zebra"\n'


def test_any_name_survives_the_file(tmp_path):
    uri = str(tmp_path / "vocabulary.csv")
    names = ['say "hi", twice', "line\nbreak", "carriage\rreturn", "é日🎬", "=1+1", "0", " spaced ", "\x00"]
    write_vocabulary(uri, Vocabulary(names))
    assert read_vocabulary(uri).names == names


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
