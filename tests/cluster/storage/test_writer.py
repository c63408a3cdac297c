import pytest

from cluster.storage.writer import PlainWriter


def test_a_plain_writer_replaces_whatever_is_there(tmp_path):
    writer, uri = PlainWriter(), f"{tmp_path}/a"
    assert writer.unfenced == ()
    with writer.changing([uri]):
        writer.put(uri, b"1")
        content, version = writer.read(uri)
        assert content == b"1"
        version = writer.replace(uri, b"2", version)
        writer.put(uri, b"3")
    writer.fenced()
    assert writer.read(uri)[0] == b"3"
    writer.remove(uri, version, b"")
    with pytest.raises(FileNotFoundError):
        writer.read(uri)
