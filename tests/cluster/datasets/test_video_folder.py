from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.datasets import video_folder
from cluster.datasets.increment import FailedBefore, Settled, increment_of
from cluster.datasets.manifest import read_input, read_videos
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.video_folder import FolderListing, distinct_ids, list_videos, with_distinct_ids
from cluster.storage import files
from cluster.storage.read_policy import STRICT, ReadPolicy
from schemas.videos import Video
from tests.support.folders import touch, unreadable_folder
from tests.support.servers import gs_bucket

FOLLOWED = ReadPolicy(follow_links=True)
JOINT = ("a.mp4", "a.mkv", "b.mp4", "x/a.mp4")  # one stem twice


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with gs_bucket() as uri:
        yield uri


def ids(source: Path | str, *exclude: str, policy: ReadPolicy = STRICT) -> list[str]:
    return [video.id for video in list_videos(str(source), exclude, policy).videos]


def test_a_folder_names_videos_by_their_path(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.MP4", "b/1.x.webm", "a.mkv", "notes.txt", ".hidden.mp4")
    for source in (str(tmp_path), f"{tmp_path}/", f"file://{tmp_path}"):
        assert [(video.id, video.uri) for video in read_videos(source)] == [
            ("a", f"{tmp_path}/a.mkv"),
            ("b/1.x", f"{tmp_path}/b/1.x.webm"),
            ("b/2", f"{tmp_path}/b/2.MP4"),
        ]
    assert all(video.version for video in read_videos(str(tmp_path)))
    assert ids(f"{tmp_path}/b/*") == ["1.x", "2"]
    assert ids(f"{tmp_path}/*/2*") == ["b/2"]


def test_one_file_is_asked_for_by_its_name(tmp_path: Path) -> None:
    for name in ("talk [abc].mp4", "camera", "dump.bin", ".hidden.mp4"):
        touch(tmp_path, name)
        (video,) = read_videos(f"{tmp_path}/{name}")
        assert (video.id, video.uri) == (Path(name).stem, f"{tmp_path}/{name}")
        assert video.version


def test_a_folder_with_glob_signs_in_its_name(tmp_path: Path) -> None:
    assert ids(touch(tmp_path / "talks [2024]", "a [x1].mp4")) == ["a [x1]"]


def test_a_file_name_that_is_no_text_becomes_an_id_that_can_be_stored(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb") as file:
        file.write(b"x")
    (video,) = read_videos(str(tmp_path))
    assert video.id == "caf\\udce9"
    assert Path(video.uri).read_bytes() == b"x"


def test_files_of_one_stem_keep_their_extensions_and_no_other_id_changes(
    tmp_path: Path, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    for root in (f"{bucket}/joint", str(tmp_path)):
        for name in JOINT:
            files.write_bytes(f"{root}/{name}", b"x")
        with caplog.at_level(logging.INFO):
            assert ids(root) == ["a.mkv", "a.mp4", "b", "x/a"]
            assert "2 videos with the name of another one but for the extension" in caplog.text
            assert "'a.mkv', 'a.mp4'" in caplog.text
        assert ids(f"{root}/*.mp4") == ["a", "b"]
        assert ids(root, "*.mkv") == ["a", "b", "x/a"]


def test_files_come_some_at_a_time_but_those_of_one_stem_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_folder, "FILES_AT_ONCE", 2)
    touch(tmp_path, *(f"cam.{number:06d}.mp4" for number in range(5)))
    touch(tmp_path, "day.1.mkv", "day.1.mp4", "day.1.mp4.avi", "day.1.x.mp4", "day.10.mp4", "day.mp4")
    batches = [[Path(file.uri).name for file in files] for files in FolderListing(str(tmp_path)).files()]
    assert [len(batch) for batch in batches] == [2, 2, 5, 2]
    assert batches[2] == ["cam.000004.mp4", "day.1.mkv", "day.1.mp4", "day.1.mp4.avi", "day.1.x.mp4"]


def test_distinct_ids() -> None:
    assert distinct_ids([], []) == []
    assert distinct_ids(["a", "b"], ["a.mp4", "b.mp4"]) == ["a", "b"]
    # The full name of one is the name of another.
    assert distinct_ids(["a", "a", "a.mp4"], ["a.mkv", "a.mp4", "a.mp4.mkv"]) == ["a.mkv", "a.mp4", "a.mp4.mkv"]
    # A name that was given stays, whatever it clashes with.
    assert distinct_ids(["a", "a", "b", "b"], ["", "a.mp4", "", ""]) == ["a", "a.mp4", "b", "b"]


def test_with_distinct_ids() -> None:
    videos = [Video("a", "in/a.mkv"), Video("a", "in/a.mp4"), Video("b", "in/b.mp4", (3,))]
    found = with_distinct_ids(videos, ["a.mkv", "a.mp4", "b.mp4"])
    assert found == [Video("a.mkv", "in/a.mkv"), Video("a.mp4", "in/a.mp4"), videos[2]]


def test_links_that_lead_nowhere_are_videos_until_they_lead_somewhere(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "a.mp4"
    folder = touch(tmp_path / "in", "b.mp4")
    (folder / "a.mp4").symlink_to(target)
    before = list_videos(str(folder), (), FOLLOWED).videos
    assert [(video.id, bool(video.version)) for video in before] == [("a", False), ("b", True)]
    settled = Settled({}, {"a": FailedBefore("missing", "", "r1")})
    assert [video.id for video in increment_of(before, settled, None).pending] == ["b"]
    touch(target.parent, target.name)
    assert [
        video.id for video in increment_of(list_videos(str(folder), (), FOLLOWED).videos, settled, None).pending
    ] == ["a", "b"]


def test_linked_folders_belong_to_the_folder(tmp_path: Path) -> None:
    folder = touch(tmp_path / "in", "z/b.mp4")
    touch(tmp_path / "other", "a.mp4")
    (folder / "linked").symlink_to(tmp_path / "other")
    (folder / "loop").symlink_to(folder)
    (folder / "a-second-name").symlink_to(folder / "z")
    assert ids(folder, policy=FOLLOWED) == ["linked/a", "z/b"]
    assert ids(folder, "linked", policy=FOLLOWED) == ["z/b"]


def test_links_that_lead_out_of_the_folder_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = touch(tmp_path / "in", "run/b.mp4", "run/c.mp4")
    touch(tmp_path / "other", "a.mp4", "notes.txt")
    links = {"jump": "../other", "up": "..", "d.mp4": "../other/a.mp4", "gone.mp4": "/nowhere/a.mp4"}
    links |= {"notes": "../other/notes.txt", "inside": "run", "e.mp4": "run/b.mp4", "trailers": "../other"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    listed = list_videos(str(folder), ("trailers",))
    assert [video.id for video in listed.videos] == ["e", "run/b", "run/c"]
    assert sorted(listed.outside) == [str(folder / name) for name in ("d.mp4", "gone.mp4", "jump", "up")]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "4 links out of the folder" in warning
    assert "--follow-links" in warning
    assert read_input(str(folder), ("trailers",)).unread == listed.outside
    assert [video.id for video in list_videos(str(folder / "jump")).videos] == ["a"]  # given by itself
    assert [video.id for video in list_videos(f"{folder}/j*/*.mp4").videos] == []
    assert [video.id for video in list_videos(f"{folder}/j*/*.mp4", (), FOLLOWED).videos] == ["jump/a"]
    assert [video.id for video in list_videos(str(folder / "d.mp4")).videos] == ["d"]


def test_a_folder_of_links_alone_says_how_to_take_them_in(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    touch(tmp_path / "other", "a.mp4")
    (tmp_path / "in" / "run").symlink_to(tmp_path / "other")
    with pytest.raises(ManifestError, match=r"no video found there, but links that lead out of it: .*--follow-links"):
        read_input(str(tmp_path / "in"))
    assert [video.id for video in read_input(str(tmp_path / "in"), (), FOLLOWED).videos] == ["run/a"]


def test_patterns_that_match_nothing_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "trailers/a.mp4", "b.mp4")
    with caplog.at_level(logging.INFO):
        assert ids(tmp_path, "trailers", f"{tmp_path}/b.mp4") == ["b"]
    assert f"nothing there matches --exclude {tmp_path}/b.mp4" in caplog.text


def test_what_cannot_be_read_is_a_warning_and_the_rest_is_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "a.mp4", "z/b.mp4")
    (tmp_path / "unmounted").symlink_to(tmp_path / "disk" / "talks")
    with unreadable_folder(tmp_path) as unread:
        found = read_input(str(tmp_path))
    assert [video.id for video in found.videos] == ["a", "z/b"]
    assert sorted(found.unread) == sorted([str(tmp_path / "unmounted"), str(unread)])
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "2 of the folders and links cannot be read, and content is missing from this run" in record.getMessage()


def test_a_folder_that_holds_nothing_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "unmounted").symlink_to(tmp_path / "disk")
    with pytest.raises(ManifestError, match=f"no video found there, and these cannot be read: {tmp_path}/unmounted"):
        read_input(str(tmp_path))
    with pytest.raises(ManifestError, match=r"cannot be listed: .*No such file"):
        read_input(str(tmp_path / "unmounted"))


def test_other_extensions_are_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a.mp4", "a.srt", "b.srt", "x/c.JPG", "README", "x/.hidden", ".git/config")
    with caplog.at_level(logging.INFO):
        assert list_videos(str(tmp_path)).others == Counter({".srt": 2, ".jpg": 1, "": 1})
    assert "their extensions are not those of videos: 2 .srt, 1 .jpg, 1 without an extension" in caplog.text.replace(
        "1 without an extension, 1 .jpg", "1 .jpg, 1 without an extension"
    )
    with pytest.raises(ManifestError, match=r"no video found there, but 2 \.srt: a manifest can name files with any"):
        read_videos(f"{tmp_path}/*.srt")
    with pytest.raises(ManifestError, match=r"- no video found there$"):
        read_videos(f"{tmp_path}/*.mkv")


def test_a_video_in_a_bucket_is_listed_like_one_on_disk(bucket: str, tmp_path: Path) -> None:
    for root in (f"{bucket}/same", str(tmp_path)):
        for name in ("x/b.mp4", "a.mkv", ".Trash-1000/c.mp4", "x/@eaDir/b.mp4", "notes.txt", "trailers/d.mp4"):
            files.write_bytes(f"{root}/{name}", b"x")
        found = list_videos(root, ("trailers",))
        assert [(video.id, video.uri) for video in found.videos] == [("a", f"{root}/a.mkv"), ("x/b", f"{root}/x/b.mp4")]
        assert found.others == Counter({".txt": 1})
        assert all(isinstance(video, Video) and video.version for video in found.videos)
