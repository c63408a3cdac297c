import pytest

from cluster.storage.redaction import redacted


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://user:secret@host/a.mp4", "https://***@host/a.mp4"),
        ("s3://key:se@cret@bucket/a.mp4", "s3://***@bucket/a.mp4"),
        ("no https://h/a.mp4?X-Amz-Signature=secret&b=c here", "no https://h/a.mp4?*** here"),
        (
            "url='HTTP://h/a?sig=secret', or (https://t:secret@h/?q=secret)",
            "url='HTTP://h/a?***', or (https://***@h/?***",
        ),
        ("GET /a.mp4?b=c&X-Amz-Signature=secret&d=e", "GET /a.mp4?b=c&X-Amz-Signature=***&d=e"),
        (
            "/b/a?access_token=secret /b/a?token=secret s3://b/a?sig=secret",
            "/b/a?access_token=*** /b/a?token=*** s3://b/a?sig=***",
        ),
        ("{'Authorization': 'Bearer ya29.se-cr_et'}", "{'Authorization': 'Bearer ***'}"),
        ("the key AKIAIOSFODNN7EXAMPLE does not exist", "the key *** does not exist"),
        ("aws_secret_access_key = wJalr/bPx+Rfi", "aws_secret_access_key = ***"),
        ("{'aws_session_token': 'FwoG/ZX='}", "{'aws_session_token': '***'}"),
    ],
)
def test_secrets_are_replaced(text, safe):
    assert redacted(text) == safe
    assert redacted(safe) == safe


@pytest.mark.parametrize("text", ["", "/videos/what?.mp4", "gs://bucket/a?.mp4", "https://host/a@b.mp4", "a@b.c: why?"])
def test_other_text_stays(text):
    assert redacted(text) == text
