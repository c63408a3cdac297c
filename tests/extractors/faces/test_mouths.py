import numpy as np
import pytest

from extractors.faces import mouths
from extractors.faces.mouths import MouthFinder, MouthTrack, build_mouth_finder, interpolated, smoothed
from extractors.weights.content import WeightsError
from schemas.outcomes import FailureCode, VideoError
from tests.support.faces import DrawnFace, drawn


@pytest.fixture(scope="module")
def finder() -> MouthFinder:
    return build_mouth_finder()


def distances(track: MouthTrack, faces: list[DrawnFace]) -> np.ndarray:
    """How far each frame's mouth is from where it was drawn, in pixels."""
    return np.hypot(*(track.centres - np.array([face.mouth for face in faces])).T)


def test_a_speaking_mouth_is_followed(finder: MouthFinder) -> None:
    faces = [DrawnFace(150 + 3 * i, 140 + 2 * i, 200 - 2 * i, 0.02 * i, 0.03 + 0.03 * np.sin(i)) for i in range(12)]
    track = finder.track(np.stack([drawn(face) for face in faces]))
    assert track.found.all()
    assert distances(track, faces).max() < 4
    opened = (track.boxes[:, 3] - track.boxes[:, 1]) / [face.size for face in faces]
    assert np.corrcoef(opened, [face.opening for face in faces])[0, 1] > 0.9
    turned = np.arctan2(*(track.eye_lines[:, 1] - track.eye_lines[:, 0]).T[::-1])
    np.testing.assert_allclose(turned, [face.angle_radians for face in faces], atol=0.03)


def test_frames_without_a_face_are_interpolated(finder: MouthFinder) -> None:
    faces = [DrawnFace(120 + 10 * i) for i in range(9)]
    hidden = {0, 4, 5}
    track = finder.track(np.stack([drawn(*[] if i in hidden else [face]) for i, face in enumerate(faces)]))
    assert set(np.flatnonzero(~track.found)) == hidden
    assert distances(track, faces)[2:].max() < 5
    np.testing.assert_array_equal(track.boxes[0], track.boxes[1])


def test_after_a_cut_any_face_counts(finder: MouthFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mouths, "FORGET_AFTER", 2)
    left, right = DrawnFace(80, 150, 130), DrawnFace(280, 150, 130)
    track = finder.track(np.stack([drawn(face) for face in [left, *[right] * 5]]))
    assert track.found.tolist() == [True, False, False, True, True, True]
    assert distances(track, [right] * 6)[-2:].max() < 5


def test_the_largest_face_or_the_one_asked_for_is_followed(finder: MouthFinder) -> None:
    pairs = [(DrawnFace(110 + i, 150, 160), DrawnFace(390 - i, 160, 200)) for i in range(3)]
    frames = np.stack([drawn(*pair, height=320, width=520) for pair in pairs])
    left, right = map(list, zip(*pairs, strict=True))
    assert distances(finder.track(frames), right).max() < 5
    assert distances(finder.track(frames, face=1), left).max() < 5
    assert distances(finder.track(frames, face=2), right).max() < 5
    with pytest.raises(VideoError, match="no 3 faces at once found in its 3 frames of 520 x 320 pixels"):
        finder.track(frames, face=3)
    with pytest.raises(ValueError, match="face=0: faces are counted from 1"):
        finder.track(frames, face=0)


def test_a_clip_without_a_face_fails_with_its_own_code(finder: MouthFinder) -> None:
    with pytest.raises(VideoError, match="no face found in its 3 frames of 360 x 288 pixels: provide") as caught:
        finder.track(np.stack([drawn()] * 3))
    assert caught.value.code is FailureCode.NO_FACE


def test_random_weights_find_no_faces() -> None:
    with pytest.raises(WeightsError, match="'random:0' finds no faces: take 'face-mesh'"):
        build_mouth_finder("random:0")


def test_interpolation_holds_still_at_the_ends() -> None:
    measured = np.array([[1.0], [4.0]], np.float32)
    assert interpolated(measured, np.array([1, 4]), 6)[:, 0].tolist() == [1, 1, 2, 3, 4, 4]


def test_smoothing_keeps_constant_speed_and_damps_a_jump() -> None:
    line = np.arange(7, dtype=np.float32)[:, None] * [[2, -1]]
    np.testing.assert_allclose(smoothed(line), line, atol=1e-5)
    jump = np.zeros((7, 1), np.float32)
    jump[3] = 16
    assert smoothed(jump)[:, 0].tolist() == [0, 1, 4, 6, 4, 1, 0]
    np.testing.assert_allclose(smoothed(line[:1]), line[:1])
