import pytest

from cluster.storage.download import open_uri, show_download
from cluster.storage.files import write_bytes
from tests.support.servers import gs_bucket, http_files

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def web(tmp_path):
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    with http_files(tmp_path) as url:
        yield url


def read(uri: str) -> bytes:
    with open_uri(uri) as file:
        return file.read()


def test_weights_are_read_from_anywhere(web, tmp_path):
    assert read(f"{web}/weights.pth?x=1") == CONTENT
    assert read(f"file://{tmp_path}/weights.pth") == CONTENT
    with gs_bucket() as bucket:
        write_bytes(f"{bucket}/weights.pth", CONTENT)
        assert read(f"{bucket}/weights.pth") == CONTENT
        with pytest.raises(FileNotFoundError):
            read(f"{bucket}/nothing.pth")


def test_every_failure_is_an_os_error(web):
    for uri, words in (
        (f"{web}/nothing.pth", "404"),
        ("http://127.0.0.1:1/weights.pth", "refused"),
        ("http://127.0.0.1:port/weights.pth", "port"),
        ("file:///nowhere/weights.pth", "No such file"),
        ("ftp://host/weights.pth", "only these schemes are read"),
    ):
        with pytest.raises(OSError, match=words):
            read(uri)


def test_a_bar_is_drawn_once_bytes_come_in(capfd):
    with show_download("https://user:SECRET@host/weights.pth?signature=SECRET", quiet=False) as progress:
        assert capfd.readouterr().err == ""
        progress(500, 1000)
        progress(1000, 1000)
    text = capfd.readouterr().err
    assert "https://***@host/weights.pth?***" in text
    assert "1.00k/1.00k" in text
    assert "SECRET" not in text


def test_quiet_draws_nothing(capfd):
    with show_download("weights", quiet=True) as progress:
        assert progress is None
    assert capfd.readouterr().err == ""
