from __future__ import annotations

import pytest

from cluster.live.config import WatchOptions, is_source
from cluster.runs.config_file import config_text
from schemas.errors import InputError


def options(**given: object) -> WatchOptions:
    return WatchOptions.of(**{"checkpoint": ("c",), "source": "v.mp4", **given})


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *[("v.mp4", True), ("concat:a", True), ("/dev/video0", True), ("rtsp://h/1", True), ("file:///v.mp4", True)],
        *[("file:/v.mp4", True), (" ", False), ("s3://b/v.mp4", False), ("ftp://h/v", False)],
    ],
)
def test_names_of_sources(name: str, is_one: bool) -> None:
    assert is_source(name) is is_one


def test_uris_of_files_are_paths() -> None:
    assert options(source="file:///videos/a%20b.mp4").source_name == "/videos/a b.mp4"
    assert options(source="videos/a.mp4").source_name == "videos/a.mp4"
    assert options(source="rtsp://u:p@h/1").source_name == "rtsp://u:p@h/1"


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError) as raised:
        options(source="s3://b/v", top_k=0, timeout=0.0, reconnects=-1, stride=float("inf"), precision="int8")
    assert len(raised.value.problems) == 6
    assert "an address (rtsp://, rtsps://, rtp://, udp://, tcp://, http://, https://)" in str(raised.value)


@pytest.mark.parametrize("source", ["rtsp://h/1", "/dev/video0"])
def test_only_files_begin_again(source: str) -> None:
    with pytest.raises(InputError, match="loop goes with a file"):
        options(source=source, loop=True)
    assert options(source="file:///v.mp4", loop=True).loop


def test_a_checkpoint_counts_once() -> None:
    with pytest.raises(InputError, match="more than once"):
        options(checkpoint=("c", "c"))


def test_passwords_stay_out_of_what_is_written() -> None:
    assert "secret-word" not in config_text(options(source="rtsp://viewer:secret-word@h/1"), "a view")
