"""Links: relative ones hold in a copy, videos are reached by what a browser opens, and nothing hostile is linked."""

from pathlib import Path

import pytest

from cluster.reports.links import page_href, video_href

PAGE = "/data/features/runs/a.html"


@pytest.mark.parametrize(
    ("target", "page", "href"),
    [
        ("/data/features/runs/b.html", PAGE, "./b.html"),
        ("/data/labels/report.html", PAGE, "../../labels/report.html"),
        ("/mnt/labels/report.html", PAGE, "../../../mnt/labels/report.html"),
        ("file:///data/labels/a b#1?.html", PAGE, "../../labels/a%20b%231%3F.html"),
        ("gs://bucket/labels/report.html", "gs://bucket/features/runs/a.html", "../../labels/report.html"),
        ("gcs://bucket/labels/report.html", "gs://bucket/features/runs/a.html", "../../labels/report.html"),
        ("s3://bucket/b.html", "s3a://bucket/runs/a.html", "../b.html"),
        ("gs://other/a.html", "gs://bucket/a.html", "https://storage.cloud.google.com/other/a.html"),
        ("s3://other/a.html", "s3://bucket/a.html", None),
        ("s3://bucket/a.html", PAGE, None),
        ("/data/a.html", "s3://bucket/a.html", None),
        ("/data/a.html", "", None),
        ("s3://bucket/b.html?X-Amz-Signature=1234", "s3://bucket/a.html", None),
    ],
)
def test_a_page_is_linked_by_the_relative_path_where_there_is_one(target: str, page: str, href: str | None) -> None:
    assert page_href(target, page) == href


@pytest.mark.parametrize(
    ("uri", "href"),
    [
        ("/data/videos/ü 1.mp4", "../../videos/%C3%BC%201.mp4"),
        ("/data/videos/caf\udce9.mp4", "../../videos/caf%E9.mp4"),
        ("/mnt/a.mp4", "file:///mnt/a.mp4"),
        ("FILE:///mnt/a.mp4", "file:///mnt/a.mp4"),
        ("https://host/a%20b.mp4", "https://host/a%20b.mp4"),
        ('HTTP://host:8080/<a>".mp4', "HTTP://host:8080/%3Ca%3E%22.mp4"),
        ("gs://bucket/a/b 1.mp4", "https://storage.cloud.google.com/bucket/a/b%201.mp4"),
        ("gcs://bucket/a.mp4", "https://storage.cloud.google.com/bucket/a.mp4"),
    ],
)
def test_a_video_is_linked_by_what_a_browser_opens(uri: str, href: str) -> None:
    assert video_href(uri, PAGE) == href


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "javascript:alert(1)",
        "JavaScript://host/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "blob:https://host/1",
        "view-source:https://host/",
        "s3://bucket/a.mp4",
        "gs://bucket",
        "https://user:password@host/a.mp4",
        "https://user@host/a.mp4",
        "https://***@host/a.mp4",
        "https://host/a.mp4?***",
        "https://host/a.mp4?token=1234",
        "https://[::1/a.mp4",
        "https:///a.mp4",
        "/data/a\0.mp4",
        "/data/lone\ud800.mp4",
    ],
)
def test_everything_else_stays_text(uri: str) -> None:
    assert video_href(uri, PAGE) is None
    assert page_href(uri, PAGE) is None


@pytest.mark.parametrize("uri", [" javascript:alert(1)", "\tjavascript:alert(1)", "./javascript:alert(1)", "//host/a"])
def test_what_looks_like_an_address_and_is_a_path_leads_to_a_file(uri: str) -> None:
    href = video_href(uri, str(Path.cwd() / "a.html"))
    assert href is not None
    assert href.startswith(("./", "../", "file:///"))
    assert "javascript:" not in href


def test_a_path_is_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert video_href("videos/a.mp4", "features/runs/a.html") == "../../videos/a.mp4"
