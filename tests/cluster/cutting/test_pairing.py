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
