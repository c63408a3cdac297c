"""Bodies as clients send them, in chunks of any size: within limits, and refused beyond them."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.serving.errors import ApiError
from cluster.serving.uploads import Upload, receive_upload, shown_name
from tests.support.full_disk import limited_files
from tests.support.serving import BOUNDARY, FORM_TYPE, form

MAX_BYTES = 1 << 20
VIDEO = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 20


async def chunks_of(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def receive(body: bytes, path, *, size: int = 4096, kind: str = FORM_TYPE) -> Upload:
    return asyncio.run(receive_upload(chunks_of(body, size), kind, path, MAX_BYTES))


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 400), models=st.lists(st.sampled_from(["a", "b", "long name"]), max_size=3))
def test_a_form_is_the_same_however_it_is_cut(tmp_path_factory, size, models):
    path = tmp_path_factory.mktemp("upload") / "file"
    upload = receive(form(VIDEO, "C:\\videos\\a b.mp4", ", ".join(models)), path, size=size)
    assert upload == Upload("a b.mp4", len(VIDEO), "video/mp4", tuple(models))
    assert path.read_bytes() == VIDEO


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("", "video"),
        ("x" * 500, "x" * 120),
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
    ],
)
def test_names_are_text_and_nothing_else(tmp_path, name, shown):
    assert shown_name(name) == shown
    assert receive(form(VIDEO, "../../x.mp4"), tmp_path / "file").name == "x.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def error_of(body: bytes, path, **options) -> str:
    with pytest.raises(ApiError) as caught:
        receive(body, path, **options)
    return caught.value.code


def test_what_is_no_form_is_refused(tmp_path):
    whole = form(VIDEO)
    assert error_of(whole[:-300], tmp_path / "1") == "invalid"  # its end is missing
    assert error_of(whole.replace(b'name="file"', b'name="other"'), tmp_path / "2") == "invalid"
    assert error_of(b"no form at all", tmp_path / "3") == "invalid"
    assert error_of(whole, tmp_path / "4", kind="text/plain") == "invalid"
    assert error_of(whole, tmp_path / "5", kind="multipart/form-data") == "invalid"
    twice = whole.replace(f"--{BOUNDARY}--\r\n".encode(), whole)
    assert error_of(twice, tmp_path / "6") == "invalid"
    many = b"".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'.encode() for _ in range(9))
    assert error_of(many + whole, tmp_path / "7") == "invalid"
    assert error_of(form(VIDEO, models="m" * 5000), tmp_path / "8") == "invalid"
    assert error_of(form(VIDEO, name="n" * 50_000), tmp_path / "9") == "invalid"
    assert error_of(form(b"plain text"), tmp_path / "10") == "not_media"


@pytest.mark.parametrize("video", [VIDEO, VIDEO * 10])
def test_a_full_disk_is_no_error_in_this_program(tmp_path, caplog, video):
    with limited_files(100):
        assert error_of(form(video), tmp_path / "file") == "full"
    assert [record.exc_info for record in caplog.records] == [None]
    assert "File too large" in caplog.text


def test_a_body_may_be_larger_than_it_claims_and_than_memory(tmp_path):
    block = bytes(1 << 20)

    async def endless() -> AsyncIterator[bytes]:
        head, _ = form(VIDEO).split(b"\r\n\r\n", 1)
        yield head + b"\r\n\r\n" + VIDEO
        while True:
            yield block

    tracemalloc.start()
    with pytest.raises(ApiError) as caught:
        asyncio.run(receive_upload(endless(), FORM_TYPE, tmp_path / "file", 64 << 20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "too_large"
    assert (tmp_path / "file").stat().st_size <= 64 << 20
    assert peak < 16 << 20
