"""Names of an export find their videos, and none is guessed."""

from __future__ import annotations

import pytest

from cluster.cutting.pairing import pair
from schemas.annotations import AnnotatedVideo, Annotation
from schemas.cuttings import FindingCode
from schemas.videos import Video

VIDEOS = [
    Video("day1/anna", "/data/videos/day1/anna.mp4"),
    Video("day2/anna", "/data/videos/day2/anna.mp4"),
    Video("ben", "s3://bucket/ben.webm"),
    Video("v_abc", "https://host/v_abc.mp4?token=secret"),
]


def videos_at(*uris: str) -> list[Video]:
    return [Video(str(number), uri) for number, uri in enumerate(uris)]


def paired(names: list[str], videos: list[Video]) -> dict[str, str]:
    """The URI of the video of each name that has one."""
    return {one.name: video.uri for video, entries in pair([*map(entry, names)], videos).pairs for one in entries}


def entry(name: str) -> AnnotatedVideo:
    return AnnotatedVideo(name, (Annotation("walk", None, "here"),))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("day2/anna", "day2/anna"),
        ("/data/videos/day1/anna.mp4", "day1/anna"),
        ("file:///C:/home/me/day1/anna.mp4", "day1/anna"),
        ("C:\\me\\day2\\anna.avi", "day2/anna"),
        ("ben", "ben"),
        ("ben.mp4", "ben"),
        ("https://old.host/ben.webm?x=1", "ben"),
        ("abc", "v_abc"),
        ("v_abc.mp4", "v_abc"),
        ("v_ben", "ben"),
    ],
)
def test_a_name_finds_its_video(name: str, found: str) -> None:
    pairing = pair([entry(name)], VIDEOS)
    assert [video.id for video, _ in pairing.pairs] == [found]


def test_several_that_fit_equally_are_left_out() -> None:
    pairing = pair([entry("anna.mp4"), entry("day3/carla")], VIDEOS)
    assert pairing.pairs == ()
    by_code = {finding.code: finding for finding in pairing.findings if finding.code != FindingCode.NO_ANNOTATION}
    assert set(by_code) == {FindingCode.AMBIGUOUS, FindingCode.NO_VIDEO}
    assert "2 videos equally well" in by_code[FindingCode.AMBIGUOUS].message
    assert by_code[FindingCode.NO_VIDEO].message == "there is no video of that name; 1 annotation left out"


def test_a_file_of_that_name_in_another_known_folder_is_another_video() -> None:
    names = ["train/a.mp4", "test/a.mp4", "train/b.mp4"]
    assert paired(names, videos_at("/data/test/a.mp4", "/data/test/b.mp4")) == {"test/a.mp4": "/data/test/a.mp4"}
    here = videos_at("/data/train/c.mp4", "/data/test/a.mp4")
    assert paired(["/home/anna/train/a.mp4"], here) == {}
    finding = pair([entry("train/a.mp4")], here).findings[0]
    assert finding.code == FindingCode.NO_VIDEO
    assert "in its folder, but in another one ('/data/test/a.mp4')" in finding.message


def test_folders_that_one_side_alone_knows_do_not_matter() -> None:
    names = ["/home/anna/films/a.mp4", "day1/b.mp4", "c.mp4"]
    here = videos_at("/data/films/x/a.mp4", "/data/films/y/b.mp4", "/data/films/y/c.mp4")
    assert [*paired(names, here)] == names
    assert paired(["ds/video/a.mp4"], videos_at("/data/video/a.mp4")) == {"ds/video/a.mp4": "/data/video/a.mp4"}


def test_folders_need_not_be_the_last_ones() -> None:
    """GRID's videos lie deeper than its alignments; one speaker has no videos at all."""
    here = videos_at("/grid/s1/video/mpg/bb.mpg", "/grid/s5/video/mpg/bb.mpg", "/grid/s5/video/mpg/cc.mpg")
    assert paired(["s1/bb", "s5/bb", "s21/cc"], here) == {"s1/bb": here[0].uri, "s5/bb": here[1].uri}


def test_the_right_folder_comes_before_the_extension() -> None:
    here = videos_at("/data/day1/a.mp4", "/data/day2/a.avi")
    assert paired(["day2/a.mp4"], here) == {"day2/a.mp4": "/data/day2/a.avi"}


def test_what_is_left_over_is_not_guessed() -> None:
    pairing = pair([entry("val/a.mp4"), entry("train/x.mp4")], videos_at("/data/train/a.mp4", "/data/test/a.mp4"))
    assert pairing.pairs == ()
    assert pairing.findings[0].code == FindingCode.AMBIGUOUS


def test_a_file_that_is_there_twice_is_ambiguous() -> None:
    twice = videos_at("/data/a.mp4", "/data/a.mp4")
    pairing = pair([entry("/data/a.mp4")], twice)
    assert pairing.pairs == ()
    assert pairing.findings[0].code == FindingCode.AMBIGUOUS
    assert [video.id for video, _ in pair([entry("1")], twice).pairs] == ["1"]


@pytest.mark.parametrize("host", ["", "localhost:8080"])
def test_uploads_of_label_studio_are_found_by_both_names(host: str) -> None:
    name = f"{host}/data/upload/12/1a2b3c4d-my_film_1.mp4"
    assert paired([name], videos_at("/media/upload/12/1a2b3c4d-my_film_1.mp4", "/films/my film (1).mp4")) == {
        name: "/media/upload/12/1a2b3c4d-my_film_1.mp4"
    }
    assert paired([name], videos_at("/films/my film (1).mp4")) == {name: "/films/my film (1).mp4"}
    assert paired([name], videos_at("/films/my_film_1.webm")) == {name: "/films/my_film_1.webm"}
    assert paired(["films/1a2b3c4d-a.mp4"], videos_at("/films/a.mp4")) == {}


def test_accents_may_be_letters_of_their_own() -> None:
    """As file systems of macOS write them."""
    composed, decomposed = "\u00dcbung/caf\u00e9.mp4", "U\u0308bung/cafe\u0301.mp4"
    for name, file in ((composed, decomposed), (decomposed, composed)):
        other = "/data/films/" + ("caf\u00e9.mp4" if file == composed else "cafe\u0301.mp4")
        assert paired([name], videos_at(f"/data/{file}", other)) == {name: f"/data/{file}"}


def test_escapes_of_urls_are_read() -> None:
    assert [*paired(["host/my%20film.mp4"], videos_at("/films/my film.mp4"))] == ["host/my%20film.mp4"]
    assert [*paired(["my film.mp4"], videos_at("https://host/my%20film.mp4"))] == ["my film.mp4"]
    assert [*paired(["100%25.mp4"], videos_at("/films/100%25.mp4"))] == ["100%25.mp4"]


def test_videos_without_annotation_and_with_several_entries_are_reported() -> None:
    pairing = pair([entry("ben"), entry("ben.webm"), AnnotatedVideo("abc", ())], VIDEOS)
    assert [(video.id, len(entries)) for video, entries in pairing.pairs] == [("ben", 2), ("v_abc", 1)]
    found = [(finding.code, finding.video) for finding in pairing.findings]
    assert (FindingCode.SEVERAL_ENTRIES, "ben") in found
    assert [video for code, video in found if code == FindingCode.NO_ANNOTATION] == ["day1/anna", "day2/anna", "v_abc"]


def test_no_secret_gets_into_a_message() -> None:
    videos = [Video("a", "https://host/1/x.mp4?token=secret"), Video("b", "https://host/2/x.mp4?token=secret")]
    (finding, *_) = pair([entry("x.mp4")], videos).findings
    assert "secret" not in finding.message
