"""What a row says of a file that leaves a choice or a doubt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from extractors.video.media import open_media
from extractors.video.provenance import provenance
from tests.support.recordings import Recording, join, write_recording

UNTIMED = Path(__file__).resolve().parents[2] / "fixtures" / "videos" / "raw_25fps_20s_without_timing.h264"


@pytest.mark.parametrize("suffix", [".mp4", ".h264"])
def test_nothing_where_all_is_certain(suffix: str, tmp_path: Path) -> None:
    path = write_recording(tmp_path / f"plain{suffix}", Recording(sound="aac" if suffix == ".mp4" else None))
    with open_media(path) as media:
        assert provenance(media) is None


def test_a_frame_rate_that_is_assumed() -> None:
    with open_media(UNTIMED) as media:
        assert provenance(media) == "25 frames/s assumed"


def test_joined_files_beside_a_choice_of_tracks(tmp_path: Path) -> None:
    part = write_recording(tmp_path / "part.mp4", Recording())
    with open_media(join(tmp_path / "joined.mp4", part, part, part)) as media:
        assert provenance(media) == "file 1 of 3"
        assert provenance(replace(media, choice="audio 2 of 1, 2")) == "audio 2 of 1, 2; file 1 of 3"
