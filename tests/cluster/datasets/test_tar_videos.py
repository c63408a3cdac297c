from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.datasets import tar_videos
from cluster.datasets.manifest import read_input, read_videos
from cluster.datasets.manifest_videos import ManifestError, with_versions
from cluster.datasets.manifest_writer import write_manifest
from cluster.datasets.tar_videos import split_name, unpacked
from cluster.storage import files
from cluster.storage.forward_reads import HeaderReads, open_headers
from cluster.storage.read_policy import STRICT
from cluster.storage.video_source import open_video
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.faulty_proxy import proxies_before_stores
from tests.support.servers import s3_bucket
from tests.support.tars import tar_bytes

SAMPLES = [
    ("n01/a.mp4", b"1" * 700),
    ("n01/a.json", b"{}"),
    ("n01/a.cls", b"7"),
    ("n01/b.left.mp4", b"2"),
    ("n01/b.right.MP4", b"3"),
    ("c.webm", b""),
]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / "00.tar").write_bytes(tar_bytes(SAMPLES))
    (folder / "x.mp4").write_bytes(b"x")
    return folder


def content(video: Video) -> bytes:
    with open_video(video.uri) as source:
        return source.read()  # type: ignore[union-attr]


def problem(video: Video) -> VideoError:
    with pytest.raises(VideoError) as caught:
        content(video)
    return caught.value


@pytest.mark.parametrize(
    ("path", "parts"),
    [("a/b.c/1.x.mp4", ("a/b.c/1", ".x.mp4")), ("1", ("1", "")), ("a/.x.mp4", ("a/.x", ".mp4")), (".", (".", ""))],
)
def test_a_name_ends_at_its_first_dot(path: str, parts: tuple[str, str]) -> None:
    assert split_name(path) == parts


def test_a_tar_counts_as_a_folder_of_its_name(shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        videos = read_videos(str(shards))
    assert [(video.id, video.labels, video.size_bytes) for video in videos] == [
        ("00/n01/a", (7,), 700),
        ("00.tar/n01/b.left.mp4", (), 1),
        ("00.tar/n01/b.right.MP4", (), 1),
        ("00/c", (), None),
        ("x", (), 1),
    ]
    assert "1 .json" in caplog.text
    assert [content(video) for video in videos[:3]] == [b"1" * 700, b"2", b"3"]
    assert problem(videos[3]).code is FailureCode.EMPTY
    assert len({video.version for video in videos}) == 5
    for source in (str(shards / "00.tar"), f"file://{shards}/00.tar"):
        assert [video.id for video in read_videos(source)] == ["n01/a", "n01/b.left.mp4", "n01/b.right.MP4", "c"]
    assert [video.id for video in read_videos(f"{shards}/*.tar")] == [video.id for video in videos[:4]]


def test_a_manifest_names_tars_and_their_members(shards: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    (shards / "01.tar").write_bytes((shards / "00.tar").read_bytes())
    manifest.write_text(f"id,uri,labels\ns,shards/00.tar,5\n,shards/01.tar,\ny,{shards}/x.mp4,1\n")
    videos = with_versions(read_videos(str(manifest)))
    assert [(video.id, video.labels) for video in videos[:2]] == [("s/n01/a", (5,)), ("s/n01/b.left.mp4", (5,))]
    assert videos[0].version == with_versions(read_videos(str(shards)))[0].version
    assert videos[4].id == "shards/01/n01/a"
    for name in ("again.csv", "again.jsonl", "again.parquet"):
        write_manifest(str(tmp_path / name), videos)
        again = with_versions(read_videos(str(tmp_path / name)))
        assert [(video.id, video.uri, video.version) for video in again] == [
            (video.id, video.uri, video.version) for video in videos
        ]
    assert content(again[0]) == b"1" * 700


def test_members_are_in_a_manifest_once(shards: Path, tmp_path: Path) -> None:
    (member, *_) = read_videos(str(shards))
    manifest = tmp_path / "m.csv"
    manifest.write_text(f"id,uri\nt,shards/00.tar\nm,{member.uri}\n")
    with pytest.raises(ManifestError, match="'t/n01/a' and 'm' are one member of a tar"):
        read_videos(str(manifest))


@pytest.mark.parametrize("row", ["a.tar,5", "a.tar.gz,", "b/a.tgz,", "https://h/a.tar.gz?sig=x,"])
def test_a_row_that_cannot_be_a_tars_is_refused(row: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"uri,start_seconds\n{row}\n")
    with pytest.raises(ManifestError, match=r"a plain \.tar|no interval"):
        read_videos(str(tmp_path / "m.csv"))


def test_compressed_tars_are_named(shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    (shards / "01.tar.gz").write_bytes(b"x")
    found = read_input(str(shards))
    assert found.unread == (f"{shards}/01.tar.gz",)
    assert "decompress to a plain .tar" in caplog.text
    for source in (f"{shards}/01.tar.gz", f"{shards}/*.gz"):
        with pytest.raises(ManifestError, match=r"plain \.tar|cannot be read"):
            read_input(source)


def test_a_damaged_tar_is_a_row_after_its_members(shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = (shards / "00.tar").read_bytes()
    (shards / "00.tar").write_bytes(whole[:2500])
    (shards / "01.tar").write_bytes(b"no tar" * 500)
    (shards / "02.tar").write_bytes(b"")
    (shards / "03.tar").symlink_to(shards / "gone.tar")
    found = read_input(str(shards))
    first, *broken, _ = found.videos
    assert (found.unread, found.unread_share) == (tuple(f"{shards}/0{number}.tar" for number in range(4)), 1.0)
    assert "4 tars not readable to the end, and what is left there is missing from this run" in caplog.text
    assert content(first) == b"1" * 700
    assert [video.id for video in broken] == ["00.tar", "01.tar", "02.tar", "03.tar"]
    problems = [problem(video) for video in broken]
    assert [error.code for error in problems] == [FailureCode.DAMAGED] * 3 + [FailureCode.MISSING]
    assert "cut short" in problems[0].message
    (shards / "00.tar").write_bytes(whole)
    assert problem(broken[0]).code is FailureCode.STORAGE
    (shards / "m.csv").write_text("uri\n00.tar\n01.tar\n")
    listed = read_input(str(shards / "m.csv"))
    assert (listed.unread, listed.unread_share) == ((f"{shards}/01.tar",), 0.5)


def test_a_tar_that_has_changed_gives_no_other_bytes(shards: Path) -> None:
    video, *_ = read_videos(str(shards))
    assert content(video) == b"1" * 700
    (shards / "00.tar").write_bytes(tar_bytes([("first.mp4", b"0" * 400), *SAMPLES]))
    assert "replaced since it was listed" in problem(video).message
    assert read_videos(str(shards))[1].version != video.version
    for left in (1000, 512, 100):
        (shards / "00.tar").write_bytes(tar_bytes(SAMPLES)[:left])
        assert problem(video).code is FailureCode.TRUNCATED


def test_a_tar_that_is_replaced_in_a_store_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the process that has read it before."""
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path))
    with s3_bucket() as root:
        for fill in (b"1", b"2"):
            files.write_bytes(f"{root}/a.tar", tar_bytes((f"{number}.mp4", fill * 1000) for number in range(3)))
            videos = read_videos(f"{root}/a.tar")
            for video in videos:
                with open_video(video.uri, version=video.version, read_until=10_000) as source:
                    assert source.read() == fill * 1000  # type: ignore[union-attr]


def test_a_tar_in_a_store_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path / "cache"))
    proxies, through = proxies_before_stores()

    with s3_bucket(through) as root:
        (proxy,) = proxies
        members = [(f"{number}.mp4", b"x" * 50_000) for number in range(3)]
        files.write_bytes(f"{root}/v/a.tar", tar_bytes([*members, ("1.cls", b"7")]))
        (tmp_path / "m.csv").write_text(f"id,uri\na,{root}/v/a.tar\n")
        first = read_videos(str(tmp_path / "m.csv"))
        assert proxy.sent_bytes > 150_000
        assert [video.labels for video in first] == [(), (7,), ()]
        for source in (str(tmp_path / "m.csv"), f"{root}/v/"):
            proxy.reset_counts()
            assert read_videos(source) == first
            assert proxy.sent_bytes < 10_000
        files.write_bytes(f"{root}/v/a.tar", tar_bytes(members[:2]))
        assert len(read_videos(f"{root}/v/")) == 2


def test_names_are_data(tmp_path: Path) -> None:
    names = ("/etc/a.mp4", "../../b.mp4", "c\nd.mp4", "e\udcff.mp4", ".mp4", "")
    (tmp_path / "a.tar").write_bytes(tar_bytes([(name, b"x") for name in names]))
    videos = read_videos(str(tmp_path / "a.tar"))
    assert [video.id for video in videos] == ["etc/a", "../../b", "c\nd", "e\\udcff"]
    assert [content(video) for video in videos] == [b"x"] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_hidden_members_and_what_patterns_match_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = (
        "a/1.mp4",
        "a/._1.mp4",
        "a/._1.cls",
        "@eaDir/1.mp4",
        "__MACOSX/a/1.mp4",
        ".git/x.json",
        "./a/2.mp4",
        "3.ts",
    )
    (tmp_path / "00.tar").write_bytes(tar_bytes([(name, b"x") for name in names]))
    with caplog.at_level(logging.INFO):
        assert [video.id for video in read_videos(str(tmp_path))] == ["00/a/1", "00/a/2", "00/3"]
        assert not caplog.text
        for pattern, ids in (("a", ["00/3"]), ("00/a/1.*", ["00/a/2", "00/3"])):
            assert [video.id for video in read_videos(str(tmp_path), (pattern,))] == ids
        assert "nothing there" not in caplog.text
        assert len(read_videos(str(tmp_path), ("b",))) == 3
    assert "nothing there matches --exclude b" in caplog.text


def test_labels_that_are_no_class_index_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    contents = {"1": b"7\n", "2": b"cat", "3": b"", "4": b"5" * 2000, "5": b"\xff"}
    members = [(f"{name}.{extension}", label) for name, label in contents.items() for extension in ("cls", "mp4")]
    (tmp_path / "a.tar").write_bytes(tar_bytes(members))
    (tmp_path / "m.csv").write_text("id,uri\na,a.tar\n")
    for source, name in ((tmp_path, "a.tar"), (tmp_path / "m.csv", "a")):
        caplog.clear()
        assert [video.labels for video in read_videos(str(source))] == [(7,), (), (), (), ()]
        assert f"4 labels of tars left out, without a class index: '{name}/2.cls'" in caplog.text
    (tmp_path / "m.csv").write_text("id,uri,labels\na,a.tar,3\n")
    caplog.clear()
    assert {video.labels for video in read_videos(str(tmp_path / "m.csv"))} == {(3,)}
    assert not caplog.text


def test_of_members_with_one_path_the_last_counts(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_bytes([("1.mp4", b"old"), ("2.mp4", b"x"), ("./1.mp4", b"new")]))
    assert [(video.id, content(video)) for video in read_videos(str(tmp_path / "a.tar"))] == [
        ("2", b"x"),
        ("1", b"new"),
    ]


def test_whoever_is_interrupted_does_not_wait_for_all_tars(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def headers(uri: str, *given: Any) -> tuple[HeaderReads, int]:
        opened.append(uri)
        time.sleep(0.1)
        return open_headers(uri, *given)

    def names() -> Iterator[str]:
        yield ""
        raise KeyboardInterrupt

    monkeypatch.setattr(tar_videos, "open_headers", headers)
    tars = [Video("", str(shards / "00.tar"))] * 400
    with pytest.raises(KeyboardInterrupt):
        unpacked(tars, names(), (".mp4",), STRICT)  # type: ignore[arg-type]
    assert len(opened) < 100
