import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from extractors.faces.landmarks import EYES, LIPS, FaceMesh, build_face_mesh, face_points
from extractors.faces.regions import Region, angle_radians
from extractors.weights.weight_sets import SHIPPED
from tests.support.faces import DrawnFace, drawn

PATH = SHIPPED / "face_landmark.tflite"


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return build_face_mesh(PATH)


def test_outputs_are_those_of_litert(mesh: FaceMesh) -> None:
    interpreter = Interpreter(str(PATH), num_threads=1)
    interpreter.allocate_tensors()
    noise = np.random.default_rng(0).uniform(0, 1, (192, 192, 3)).astype(np.float32)
    face = drawn(DrawnFace(96, 90, 170), height=192, width=192) / np.float32(255)
    for picture in (noise, face):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        expected = {each["name"]: interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}
        with torch.inference_mode():
            points, flag = mesh(torch.from_numpy(picture).permute(2, 0, 1)[None])
        for name, ours in (("conv2d_21", points), ("conv2d_31", flag)):
            values = expected[name].ravel()
            np.testing.assert_allclose(ours.numpy().ravel(), values, atol=2e-6 * np.abs(values).max() + 1e-5, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 0.35])
def test_lips_and_eyes_are_where_they_were_drawn(mesh: FaceMesh, angle: float) -> None:
    face = DrawnFace(angle_radians=angle)
    region = Region(face.x, face.y + 20, 1.15, angle)
    points = face_points(mesh, torch.from_numpy(drawn(face)), region)
    assert points is not None
    assert np.hypot(*(points[LIPS].mean(0) - face.mouth)) < 4
    assert angle_radians(points[EYES]) == pytest.approx(angle, abs=0.03)


def test_the_flag_says_where_there_is_no_face(mesh: FaceMesh) -> None:
    assert face_points(mesh, torch.from_numpy(drawn()), Region(180, 150, 1, 0)) is None
