import pytest

from schemas.fingerprint import fingerprint_metadata, fingerprint_of

FINGERPRINT = {"weights": "ab12", "fps": "1", "name": "é"}


def test_it_comes_back_from_metadata():
    written = {key.encode(): value.encode() for key, value in fingerprint_metadata(FINGERPRINT).items()}
    assert fingerprint_of(written) == FINGERPRINT
    assert fingerprint_metadata(FINGERPRINT) == fingerprint_metadata(dict(reversed(FINGERPRINT.items())))


@pytest.mark.parametrize("metadata", [None, {}, {b"other": b"[]"}])
def test_where_there_is_none_it_is_empty(metadata):
    assert fingerprint_of(metadata) == {}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[]", b"null", b'"a"', b'{"fps": 1}', b'{"a": {"b": "c"}}'])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        fingerprint_of({b"framemill.fingerprint": text})
