"""Conditional writes, against servers that keep conditions and one that ignores them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from cluster.storage import conditions, files
from cluster.storage.conditions import ChangedError
from tests.support.faulty_proxy import Fault, proxies_before_stores
from tests.support.servers import gs_bucket, s3_bucket

STORES = [pytest.param(gs_bucket, id="gs"), pytest.param(s3_bucket, id="s3")]


@pytest.fixture(params=STORES)
def uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """An object that is not there yet."""
    with request.param() as bucket:
        yield f"{bucket}/conditions/{request.node.originalname} {secrets.token_hex(4)}"  # one store serves all tests


def test_an_object_is_created_once(uri):
    version = conditions.write(uri, b"mine", "")
    with pytest.raises(ChangedError, match="was changed meanwhile by another program"):
        conditions.write(uri, b"another's", "")
    assert conditions.read(uri) == (b"mine", version)


def test_an_object_is_replaced_only_as_it_was_read(uri):
    first = conditions.write(uri, b"1", "")
    second = conditions.write(uri, b"2", first)
    assert second != first
    with pytest.raises(ChangedError):
        conditions.write(uri, b"3", first)
    assert conditions.read(uri) == (b"2", second)


def test_an_object_that_is_gone_is_not_replaced(uri):
    version = conditions.write(uri, b"1", "")
    files.delete(uri)
    with pytest.raises(ChangedError):
        conditions.write(uri, b"2", version)
    assert not files.exists(uri)
    with pytest.raises(FileNotFoundError):
        conditions.read(uri)


def test_an_object_is_removed_only_as_it_was_read(uri):
    first = conditions.write(uri, b"1", "")
    second = conditions.write(uri, b"2", first)
    with pytest.raises(ChangedError):
        conditions.remove(uri, first, b"empty")
    assert files.read_bytes(uri) == b"2"
    conditions.remove(uri, second, b"empty")
    assert not files.exists(uri)


def test_conditions_are_tried(uri):
    version = conditions.write(uri, b"1", "")
    assert conditions.are_kept(uri, b"1")
    assert conditions.read(uri) == (b"1", version)


def test_a_store_that_ignores_conditions_is_found_out():
    with gs_bucket(keeps_conditions=False) as bucket:
        conditions.write(f"{bucket}/a", b"1", "")
        assert not conditions.are_kept(f"{bucket}/a", b"1")
        with pytest.raises(files.UnsupportedError, match="tells no versions of objects"):
            conditions.read(f"{bucket}/a")


def test_nothing_is_written_to_a_web_server():
    with pytest.raises(files.StorageError, match="cannot be written to"):
        conditions.write("http://127.0.0.1:1/a", b"1", "")
    with pytest.raises(files.UnsupportedError, match="http:// has no conditional requests"):
        conditions.read("http://127.0.0.1:1/a")


@pytest.mark.parametrize("store", STORES)
def test_a_write_whose_response_was_lost_has_succeeded(store):
    proxies, through = proxies_before_stores()

    with store(through) as bucket:
        (proxy,) = proxies
        uri, version = f"{bucket}/conditions/lost {secrets.token_hex(4)}", ""
        for content in (b"1", b"2"):
            proxy.reset_counts()
            proxy.plan = lambda number, method, path: Fault.LOSE if method in ("PUT", "POST") and number == 1 else None
            version = conditions.write(uri, content, version)
            assert proxy.faults == 1
            assert conditions.read(uri) == (content, version)
