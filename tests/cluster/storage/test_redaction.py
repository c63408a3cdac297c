import json
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cluster.storage.redaction import redacted, redacted_uri
from tests.support.fuzz import FUZZ


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://user:secret@host/a.mp4", "https://***@host/a.mp4"),
        ("https://token@host/a.mp4", "https://***@host/a.mp4"),
        ("s3://key:se@cret@bucket/a.mp4", "s3://***@bucket/a.mp4"),
        ("https://user:a/b@host/x.mp4", "https://***@host/x.mp4"),
        ("https://user:a?b/c#d@host/x.mp4", "https://***@host/x.mp4"),
        ("https://proxy/https://user:secret@host/a", "https://proxy/https://***@host/a"),
        ("no https://h/a.mp4?X-Amz-Signature=secret&b=c here", "no https://h/a.mp4?*** here"),
        ("https://h/it's.mp4?anything=secret", "https://h/it's.mp4?***"),
        ("can't read https://h/a?x=se'cret: refused", "can't read https://h/a?***: refused"),
        ("https://h/a.mp4#access_token=secret&b=c", "https://h/a.mp4#***"),
        ("https://h/a?next=http://user:secret@h2/b", "https://h/a?***"),
        (
            "url='HTTP://h/a?sig=secret', or (https://t:secret@h/?q=secret)",
            "url='HTTP://h/a?***', or (https://***@h/?***)",
        ),
        ("GET /a.mp4?b=c&X-Amz-Signature=secret HTTP/1.1", "GET /a.mp4?*** HTTP/1.1"),
        ("s3://b/a?foo=secret gs://b/a#access_token=secret", "s3://b/a?*** gs://b/a#***"),
        ("no 'https://h/a.tar?foo=secret#bytes=512-600'", "no 'https://h/a.tar?***#bytes=512-600'"),
        ("https://h/a.tar#bytes=512-600&token=secret", "https://h/a.tar#***"),
        ("https://h/a.mp4#bytes=512-600", "https://h/a.mp4#***"),
        ("https://h/my talk.mp4?foo=secret", "https://h/my talk.mp4?***"),
        ("{'Authorization': 'Bearer ya29.se-cr_et'}", "{'Authorization': '***'}"),
        ("Authorization: Basic dTpw\nHost: h", "Authorization: ***\nHost: h"),
        ("Bearer abc.def.ghi", "Bearer ***"),
        ("Basic c2VjcmV0OnB3, please", "Basic ***, please"),
        ("AWS4-HMAC-SHA256 Credential=ID/20250101/x, Signature=secret", "AWS4-HMAC-SHA256 ***"),
        ("X-Amz-Signature: secret", "X-Amz-Signature: ***"),
        ("client_secret=se'cret", "client_secret=***"),
        ("the key AKIAIOSFODNN7EXAMPLE does not exist", "the key *** does not exist"),
        ("aws_secret_access_key = wJalr/bPx+Rfi", "aws_secret_access_key = ***"),
        ("{'aws_session_token': 'FwoG/ZX='}", "{'aws_session_token': '***'}"),
        ("a key eyJhbGciOiJub25l.eyJzdWIiOiIxIn0.c2ln", "a key ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END", "-----BEGIN RSA PRIVATE KEY-----***-----END"),
        ('{"private_key": "-----BEGIN…\\nse\\"cret\\n", "kind": "x"}', '{"private_key": "***", "kind": "x"}'),
        (r'"{\"private_key\": \"se cret\", \"kind\": \"x\"}"', r'"{\"private_key\": \"***\", \"kind\": \"x\"}"'),
    ],
)  # fmt: skip
def test_secrets_are_replaced(text, safe):
    assert redacted(text) == safe
    assert redacted(safe) == safe


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/videos/what?.mp4",
        "gs://bucket/a?.mp4",
        "gs://bucket/Song #1 (is it?).mp4",
        "https://host/a@b.mp4",
        "http://localhost:8000/a@b.mp4",
        "http://[::1]:8000/a@b.mp4",
        "is it at https://host/a.mp4?",
        "a@b.c: why?",
        "Basic authentication failed: the token server refused; Bearer tokens expire",
        "the signature: 3 arguments; secret: none; no token: unexpected end",
        "no such file: '/v/a.tar#bytes=512-600', gs://b/a b.tar#bytes=512-600: missing",
        "https://host/a.tar#bytes=512-600",
        "12/40 videos, 360 frames, 35.1 frames/s, 2 failed, 80 s left",
    ],
)
def test_other_text_stays(text):
    assert redacted(text) == text
    assert redacted_uri(text) == text


@pytest.mark.parametrize(
    ("uri", "safe"),
    [
        ("https://host/my talk.mp4?sig=a secret", "https://host/my talk.mp4?***"),
        ("https://user:a b@host/my talk.mp4", "https://***@host/my talk.mp4"),
        ("s3://bucket/a.mp4?versionId=a secret", "s3://bucket/a.mp4?***"),
        ("/videos/what?a=b.mp4", "/videos/what?a=b.mp4"),
        ("https://host/my talk.tar?sig=a secret#bytes=512-600", "https://host/my talk.tar?***#bytes=512-600"),
        ("/videos/a?access_token=secret", "/videos/a?access_token=***"),
    ],
)
def test_a_space_does_not_end_a_uri_that_stands_alone(uri, safe):
    assert redacted_uri(uri) == safe
    assert redacted_uri(safe) == safe


# What may be in a URI beside letters and digits. Pieces of a secret are of letters that stand nowhere else.
URI_CHARACTERS = "-._~!$&'()*+,;=:@/?%#[]"
PIECES = st.text("QXZJ", min_size=4, max_size=8)
SECRETS = st.lists(st.tuples(PIECES, st.text(URI_CHARACTERS, max_size=3)), min_size=1, max_size=4).map(
    lambda parts: "".join(piece + between for piece, between in parts)
)
TOKENS = st.from_regex(r"[QXZJ]{4}[QXZJ0-9+/._~-]{4,20}={0,2}", fullmatch=True)
TEXTS = st.lists(st.tuples(PIECES, st.text(max_size=4)), min_size=1, max_size=4).map(
    lambda parts: "".join(piece + between for piece, between in parts)
)
NAMES = st.sampled_from(["sig", "X-Amz-Signature", "X-Goog-Credential", "token", "key", "foo", "a[0]", "response-x"])
KEYS = st.sampled_from(
    ["client_secret", "password", "access_token", "secretAccessKey", "api-key", "AccountKey", "x-auth-token"]
)
SCHEMES = st.sampled_from(["https", "http", "HTTPS", "s3", "gs", "ftp", "postgresql", "redis"])
AROUND = st.sampled_from(
    [
        "{}",
        "'{}'",
        '"{}"',
        "({})",
        "<{}>",
        "[{}, 'x']",
        "can't open {}: [Errno 5] I/O",
        "FileNotFoundError('{}')",
        "reading failed, url='{}', retried",
        '{{"uri":"{}","id":"b"}}',
        "first\nthen {}\nlast",
        "HEAD {} HTTP/1.1",
        "{}.",
    ]
)


def assert_hidden(secret: str, text: str) -> None:
    left = [piece for piece in re.findall("[QXZJ]{4,}", secret) if piece in text]
    assert not left, f"{left} of {secret!r} are left in {text!r}"


@FUZZ
@given(SECRETS, SCHEMES, NAMES, AROUND)
@example("QQQQ'XXXX", "https", "foo", "'{}'")
def test_no_query_survives(secret, scheme, name, around):
    text = around.format(f"{scheme}://host.example/it's.mp4?{name}={secret}")
    assert_hidden(secret, redacted(text))
    assert redacted(redacted(text)) == redacted(text)


@FUZZ
@given(SECRETS, st.sampled_from(["https", "http", "ftp"]), AROUND, st.sampled_from(["#", "#access_token=", "?x#t="]))
def test_no_fragment_survives(secret, scheme, around, before):
    assert_hidden(secret, redacted(around.format(f"{scheme}://host.example:8443/a.mp4{before}{secret}")))


@FUZZ
@given(SECRETS, SCHEMES, AROUND, st.sampled_from(["user:", "us%40er:", ":", "user:a@"]))
@example("QQQQ/XXXX", "https", "'{}'", "user:")
def test_no_password_survives(secret, scheme, around, user):
    text = around.format(f"{scheme}://{user}{secret}@host.example/a.mp4")
    assert_hidden(secret, redacted(text))
    assert "host.example/a.mp4" in redacted(text)


@FUZZ
@given(
    TEXTS, st.sampled_from(["https://u:{}@host/a.mp4", "https://host/a.mp4?sig={}", "s3://b/a?x={}", "http://h/#{}"])
)
def test_nothing_at_all_ends_a_uri_that_stands_alone(secret, uri):
    assert_hidden(secret, redacted_uri(uri.format(secret)))


@FUZZ
@given(
    TOKENS, AROUND, st.sampled_from(["Bearer ", "bearer ", "Basic ", "Authorization: Token ", "authorization=Basic "])
)
def test_no_header_survives(secret, around, header):
    assert_hidden(secret, redacted(around.format(header + secret)))


@FUZZ
@given(TEXTS, KEYS, st.sampled_from([json.dumps, repr, lambda value: json.dumps(json.dumps(value))]))
def test_no_value_of_an_object_survives(secret, key, written):
    text = written({"kind": "x", key: secret, "id": "a"})
    assert_hidden(secret, redacted(text))
    assert "kind" in redacted(text)


@FUZZ
@given(SECRETS, KEYS, st.sampled_from(["=", ": ", " = ", "%3D"]), AROUND)
def test_no_assigned_value_survives(secret, key, between, around):
    assert_hidden(secret, redacted(around.format(f"{key}{between}{secret}")))


HONEST = st.sampled_from(
    [
        *(
            "videos/a.mp4",
            "gs://bucket/what? #2.mp4",
            "https://host:8000/a@b/c.mp4",
            "s3://b/x",
            "file:///a%20b",
            "a=1",
        ),
        *(
            "[Errno 2] No such file:",
            "3.5 s",
            "--memory-limit-mib",
            "line 7:",
            "dQw4w9WgXcQ",
            "-0aBc?",
            "sha256",
            "\x1b",
        ),
        *("tokens", "secretary", "keyframes", "Basic training", "a bearer", "passwords", "x: y", '{"id": "a"}', "'b'"),
    ]
)


@FUZZ
@given(st.lists(HONEST | st.text(st.characters(exclude_characters=":=?#@"), max_size=12), max_size=8).map(" ".join))
def test_text_without_secrets_is_unchanged(text):
    assume(not re.search(r"(?i)(Basic|Bearer|Token|Negotiate|NTLM)\s+\S*[^a-z\s]", text))
    assert redacted(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.b-",
        "a://",
        "a://x:y/@",
        "gs://a?",
        "?",
        "?a",
        "#a=",
        "token=",
        'token="\\',
        "\\",
        "'",
        "@",
        "Bearer a",
        ": ",
    ],
)
def test_time_grows_with_the_length_alone(piece):
    def seconds(characters: int) -> float:
        text = piece * (characters // len(piece))
        started = time.process_time()
        redacted(text)
        redacted_uri(f"https://{text}")
        return time.process_time() - started

    assert seconds(200_000) < 150 * max(seconds(10_000), 0.01)


@pytest.mark.parametrize("inner", ["https://h/a?foo=secret&b=c", "ftp://user:secret@h/a", "https://user:a/secret@h/"])
def test_a_percent_encoded_uri_in_a_path_loses_its_secrets_too(inner):
    safe = redacted(f"https://proxy/to/{quote(inner, safe='')}")
    assert "secret" not in safe
    assert safe == f"https://proxy/to/{quote(redacted(inner), safe='*@')}"
    assert redacted(safe) == safe


def test_of_a_tars_member_the_place_stays():
    place = "#bytes=512-611"
    for uri, safe in (("https://u:p@h/a.tar?sig=secret", "https://***@h/a.tar?***"), ("gs://b/a.tar", "gs://b/a.tar")):
        assert redacted_uri(uri + place) == redacted_uri(safe + place) == safe + place
