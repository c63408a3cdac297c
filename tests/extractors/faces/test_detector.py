import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from extractors.faces.detector import FaceDetector, build_face_detector, find_faces
from extractors.weights.weight_sets import SHIPPED
from tests.support.faces import DrawnFace, drawn

PATH = SHIPPED / "face_detection_short_range.tflite"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return build_face_detector(PATH)


def test_outputs_are_those_of_litert(detector: FaceDetector) -> None:
    interpreter = Interpreter(str(PATH), num_threads=1)
    interpreter.allocate_tensors()
    noise = np.random.default_rng(0).uniform(-1, 1, (128, 128, 3)).astype(np.float32)
    face = drawn(DrawnFace(64, 64, 90), height=128, width=128) / np.float32(127.5) - 1
    for picture in (noise, face):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        expected = {each["name"]: interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}
        with torch.inference_mode():
            scores, numbers = detector(torch.from_numpy(picture).permute(2, 0, 1)[None])
        for name, ours in (("classificators", scores[..., None]), ("regressors", numbers)):
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(ours.numpy(), expected[name], atol=2e-6 * scale, rtol=0)


@pytest.mark.parametrize(
    ("face", "size"),
    [
        (DrawnFace(), (288, 360)),
        (DrawnFace(140, 240, 220, 0.2), (480, 270)),
        (DrawnFace(900, 300, 220), (720, 1280)),  # for the second scale
        (DrawnFace(1000, 500, 80), (720, 1280)),  # for the third
    ],
)
def test_a_face_is_found_at_its_place(detector: FaceDetector, face: DrawnFace, size: tuple[int, int]) -> None:
    frame = drawn(face, height=size[0], width=size[1])
    (found,) = find_faces(detector, torch.from_numpy(frame))
    assert np.hypot(found.centre[0] - face.x, found.centre[1] - face.y - 0.1 * face.size) < 0.12 * face.size
    assert 0.6 * face.size < found.side < 0.95 * face.size
    across = (found.eyes[1] - found.eyes[0]) / face.size
    assert np.hypot(*(across - 0.32 * np.array([np.cos(face.angle_radians), np.sin(face.angle_radians)]))) < 0.06


def test_each_of_two_faces_is_found_once(detector: FaceDetector) -> None:
    frame = drawn(DrawnFace(110, 150, 180), DrawnFace(390, 160, 160), height=300, width=500)
    found = find_faces(detector, torch.from_numpy(frame))
    assert sorted(round(face.centre[0], -2) for face in found) == [100, 400]


def test_no_face_is_found_where_there_is_none(detector: FaceDetector) -> None:
    for frame in (np.zeros((90, 160, 3), np.uint8), drawn(), drawn(height=1080, width=1920)):
        assert find_faces(detector, torch.from_numpy(frame)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (33, 17)])
def test_frames_of_any_size_are_searched(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert find_faces(detector, torch.zeros(*size, 3, dtype=torch.uint8)) == []
