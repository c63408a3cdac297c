from pathlib import Path

import numpy as np
import pytest

from extractors.faces.crops import FORMATS, aligned_crops, fixed_crop, standardised
from extractors.faces.mouths import MouthTrack
from schemas.outcomes import VideoError
from tests.fixtures.parity.clips import weights
from tests.support.faces import DrawnFace, drawn

FIXTURES = Path(__file__).parents[2] / "fixtures" / "faces"


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


@pytest.mark.parametrize("name", FORMATS)
def test_crops_show_the_same_mouth_wherever_the_head_is(name: str) -> None:
    faces = [DrawnFace(), DrawnFace(150, 160, 200, 0.3), DrawnFace(190.5, 140.25, 200, -0.2)]
    form = FORMATS[name]
    crops = aligned_crops(np.stack([drawn(face) for face in faces]), track_of(faces), form)
    assert crops.shape == (3, form.height, form.width, 1 if form.is_grey else 3)
    near = crops[:, :, form.width // 4 : 3 * form.width // 4].astype(int)
    assert np.abs(near - near[0]).mean() < 3  # grey levels
    if not form.is_grey:
        row = crops[0, form.height // 2, :, 1].astype(int)  # green: 75 of the lips, 20 inside, about 130 of the skin
        assert (row < 100).sum() == pytest.approx(form.lips_width, abs=2)


def test_an_opening_mouth_does_not_zoom() -> None:
    faces = [DrawnFace(opening=opening) for opening in (0.0, 0.03, 0.06)]
    form = FORMATS["lipnet"]
    crops = aligned_crops(np.stack([drawn(face) for face in faces]), track_of(faces), form)
    dark = (crops[..., 1] < 100).sum((1, 2))
    assert (np.diff(dark) > 300).all()
    widths = (crops[:, form.height // 2, :, 1] < 100).sum(1)
    assert np.ptp(widths) <= 2


def test_the_fixed_crop_and_its_input_are_the_tutorials() -> None:
    """Sampled numbers of the tutorial's loader, under TensorFlow, on a made-up clip; blue came first there."""
    clip = weights.clip_u8(620, 75, 288, 360, 3)
    with np.load(FIXTURES / "lip_preprocess.npz") as expected:
        crops = fixed_crop(clip[..., ::-1])
        assert crops.shape == (75, 46, 140, 1)
        np.testing.assert_array_equal(crops[::5, ::4, ::7, 0], expected["gray_sample"])
        np.testing.assert_array_equal(standardised(crops)[::5, ::4, ::7, 0], expected["sample"])


def test_a_fixed_place_needs_frames_of_its_corpus() -> None:
    with pytest.raises(VideoError, match="its frames are 640 x 480 pixels, and the fixed place of the mouth"):
        fixed_crop(np.zeros((2, 480, 640, 3), np.uint8))
