import pytest

from cluster.class_names import ClassNamesError, read_class_names
from cluster.vocabulary import Vocabulary, write_vocabulary

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
    ("content", "told"),
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
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_names_nothing_is_refused(write, content, told):
    with pytest.raises(ClassNamesError, match=told):
        read_class_names(write(content))


def test_a_wrong_length_is_told_with_both_numbers(write):
    with pytest.raises(ClassNamesError, match="it names 2 classes, but 10 are needed"):
        read_class_names(write("cat\ndog\n"), expected=10)
