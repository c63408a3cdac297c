"""The stage on real videos: what it reads, where there is no mouth, and how much it holds."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.inference.lip_reader import LipReader, log_probabilities
from classifiers.text.decoder import TextDecoder
from cluster.engines.wire import pack, unpack
from cluster.transcription.decoding import Decoding
from cluster.transcription.lip_network import LipNetwork
from cluster.transcription.mouths import MouthWindows
from cluster.transcription.transcriber import LipTranscriber, Transcript
from extractors.faces import preview
from extractors.faces.crops import fixed_crop
from extractors.video.decode import sample_frames
from extractors.video.media import MAX_PIXELS
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.animations import durations_of
from tests.support.faces import drawn
from tests.support.lips import SIGNS, fixed_lips, reading_lips, signing, trained_lips
from tests.support.talking import talking, write_frames

GREY = np.full((288, 360, 3), 100, np.uint8)


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def stage(reader: LipReader, size: int = 10, overlap: int = 4, **decoding: object) -> LipTranscriber:
    mouths = MouthWindows(look=reader.look, face=None, size=size, overlap=overlap)
    decode = Decoding(alphabet=reader.alphabet, **decoding)  # type: ignore[arg-type]
    made = pickle.loads(pickle.dumps(LipTranscriber(LipNetwork(reader, size), mouths, decode, MAX_PIXELS)))
    made.setup()
    assert isinstance(made, LipTranscriber)
    return made


@pytest.fixture(scope="module")
def reader() -> LipReader:
    return LipReader(fixed_lips(seed=1))


def read(made: LipTranscriber, path: Path, **part: object) -> Transcript:
    transcript, others = made(str(path), Video("a", str(path), **part))  # type: ignore[arg-type]
    assert others == []
    assert unpack(Transcript, pack(transcript)) == transcript
    return transcript


def test_a_short_video_reads_as_its_crops(reader: LipReader, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", signing("ab"))
    frames = np.stack([sample.image for sample in sample_frames(str(path), 25)])
    (logs,) = log_probabilities(reader.build(), [fixed_crop(frames)], reader.look)
    expected = reader.read(logs, TextDecoder(SIGNS))
    found = read(stage(reader), path)
    assert (found.text, found.num_frames, found.coverage) == (" ".join(expected.text.split()), 10, 1.0)
    assert math.isclose(found.score, expected.score, rel_tol=1e-5)
    assert set(found.seconds_by_stage) == {"open", "decode", "faces", "network", "text"}
    assert found.preview is None


def test_a_preview_shows_the_first_mouth_and_changes_nothing_else(reader: LipReader, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", [*[GREY] * 6, *signing("ab")])
    made = stage(reader, size=5, overlap=0)
    shown, _ = made(str(path), Video("a", str(path)), with_thumbnail=True)
    assert shown.preview is not None
    assert sum(durations_of(shown.preview)) == 240  # of a window of 5 frames
    plain = read(made, path)
    assert replace(shown, preview=None, seconds_by_stage={}) == replace(plain, seconds_by_stage={})
    assert unpack(Transcript, pack(shown)) == shown


def test_a_preview_that_fails_costs_no_transcript(
    reader: LipReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_frames(tmp_path / "a.mp4", signing("ab"))
    monkeypatch.setattr(preview, "MAX_BYTES", 100)  # in which not even one frame fits
    made = stage(reader, size=5, overlap=0)
    shown, _ = made(str(path), Video("a", str(path)), with_thumbnail=True)
    assert shown.preview is None
    assert shown.words == read(made, path).words
    assert caplog.text.count("video a has no preview: ValueError: a frame of") == 1


def test_windows_without_a_face_are_gaps(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", [*talking([0.0, 0.06, 0.0]), *[drawn()] * 3])
    found = read(stage(LipReader(trained_lips(alphabet=SIGNS)), size=3, overlap=0), path)
    assert (found.coverage, found.num_frames) == (0.5, 6)


def test_a_video_without_a_mouth_fails_with_its_own_code(reader: LipReader, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", [GREY] * 3)
    with pytest.raises(VideoError, match="all pixels of its 3 frames are equal") as caught:
        read(stage(reader), path)
    assert caught.value.code is FailureCode.NO_FACE


def test_frames_of_another_size_have_no_fixed_place(reader: LipReader, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", [np.zeros((96, 96, 3), np.uint8)] * 2)
    with pytest.raises(VideoError, match="find the mouth instead"):
        read(stage(reader), path)


def test_fewer_frames_than_a_word_needs(reader: LipReader, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", signing("a")[:2])
    with pytest.raises(VideoError, match=r"it has 2 frames at 25 a second, and the shortest sentence .* needs 3"):
        read(stage(reader, beam=5, lexicon=("aba",)), path)


def test_a_part_of_a_video_has_its_times(reader: LipReader, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", signing("abab"))
    made = stage(reader, size=8, beam=9, lexicon=("a", "b"))
    part = read(made, path, start_seconds=Fraction(10, 25), end_seconds=Fraction(18, 25))
    assert (part.num_frames, part.coverage) == (8, 1.0)
    assert all(10 / 25 <= word.start < word.end <= 18 / 25 for word in part.words)
    with pytest.raises(VideoError, match="it has no frame from second 9 on"):
        read(made, path, start_seconds=9)


@pytest.mark.heavy
def test_a_long_video_is_read_word_by_word(tmp_path: Path) -> None:
    """A reader of signs, and words that lie in every way across the seams of its windows."""
    text = "ab ba a bab b aba aa bb ab bab a ba b ab aba bb a ab"
    path = write_frames(tmp_path / "a.mkv", signing(f"  {text}  "), codec="ffv1")
    reader = LipReader(reading_lips())
    found = read(stage(reader, size=75, overlap=30), path)
    assert found.text == text
    assert (found.coverage, found.num_frames) == (1.0, 5 * (len(text) + 4))
    starts = [5 * (place + 2) for place in range(len(text)) if place == 0 or text[place - 1] == " "]
    assert np.abs([25 * word.start - start for word, start in zip(found.words, starts, strict=True)]).max() <= 2
    words = tuple(dict.fromkeys(text.split()))
    # The spaces at both ends are in no sentence of a lexicon, so that it reads words there.
    assert f" {text} " in read(stage(reader, size=60, overlap=30, beam=20, lexicon=words), path).text


def test_videos_without_an_end_are_refused(reader: LipReader, tmp_path: Path) -> None:
    made = stage(reader)
    made.max_frames = 20
    path = write_frames(tmp_path / "a.mp4", [GREY] * 30)
    with pytest.raises(VideoError, match=r"the limit is 20 frames.*start_seconds and end_seconds") as caught:
        read(made, path)
    assert caught.value.code is FailureCode.TOO_LONG
