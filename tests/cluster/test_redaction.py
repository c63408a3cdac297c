import pytest

from cluster.redaction import redacted


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
    ],
)
def test_secrets_are_replaced(text, safe):
    assert redacted(text) == safe
    assert redacted(safe) == safe


@pytest.mark.parametrize("text", ["", "/videos/what?.mp4", "gs://bucket/a?.mp4", "https://host/a@b.mp4", "a@b.c: why?"])
def test_other_text_stays(text):
    assert redacted(text) == text
