import numpy as np
import pytest

from extractors.faces.crops import aligned_crops, fixed_crop
from extractors.faces.mouths import MouthTrack
from schemas.outcomes import VideoError
from tests.support.faces import DrawnFace, drawn

FORMS = ((50, 100, 0.72), (46, 140, 0.29))  # height, width, share of the lips


def track_of(faces: list[DrawnFace]) -> MouthTrack:
    """The track of an ideal finder; boxes are those of upright faces."""
    lines = []
    for face in faces:
        centre = np.array([face.x, face.y])
        across = 0.2 * face.size * np.array([np.cos(face.angle_radians), np.sin(face.angle_radians)])
        lines.append([centre - across, centre + across])
    found, boxes = np.ones(len(faces), bool), np.array([face.lips for face in faces], np.float32)
    centres = np.array([face.mouth for face in faces], np.float32)
    return MouthTrack(boxes, centres, np.array(lines, np.float32), found)


@pytest.mark.parametrize(("height", "width", "share"), FORMS)
def test_crops_show_the_same_mouth_wherever_the_head_is(height: int, width: int, share: float) -> None:
    faces = [DrawnFace(), DrawnFace(150, 160, 200, 0.3), DrawnFace(190.5, 140.25, 200, -0.2)]
    crops = aligned_crops(np.stack([drawn(face) for face in faces]), track_of(faces), height, width, lips_share=share)
    assert crops.shape == (3, height, width, 3)
    near = crops[:, :, width // 4 : 3 * width // 4].astype(int)
    assert np.abs(near - near[0]).mean() < 3  # grey levels
    row = crops[0, height // 2, :, 1].astype(int)  # green: 75 of the lips, 20 inside, about 130 of the skin
    assert (row < 100).sum() == pytest.approx(share * width, abs=4)


def test_an_opening_mouth_does_not_zoom() -> None:
    faces = [DrawnFace(opening=opening) for opening in (0.0, 0.03, 0.06)]
    crops = aligned_crops(np.stack([drawn(face) for face in faces]), track_of(faces), 50, 100, lips_share=0.72)
    dark = (crops[..., 1] < 100).sum((1, 2))
    assert (np.diff(dark) > 300).all()
    widths = (crops[:, 25, :, 1] < 100).sum(1)
    assert np.ptp(widths) <= 2


def test_the_fixed_crop_is_the_place_of_the_corpus() -> None:
    frame = np.zeros((288, 360, 3), np.uint8)
    frame[190:236, 80:220] = 200
    crops = fixed_crop(np.stack([frame, frame]))
    assert crops.shape == (2, 46, 140, 3)
    assert (crops == 200).all()
    assert (frame == 200).sum() == 46 * 140 * 3


def test_a_fixed_place_needs_frames_of_its_corpus() -> None:
    with pytest.raises(VideoError, match="its frames are 640 x 480 pixels, and the fixed place of the mouth"):
        fixed_crop(np.zeros((2, 480, 640, 3), np.uint8))
