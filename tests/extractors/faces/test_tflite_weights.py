from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from extractors.faces.detector import LAYERS, FaceDetector, build_face_detector
from extractors.faces.landmarks import build_face_mesh
from extractors.faces.tflite_weights import MAX_TENSORS, TfliteError, read_constants
from extractors.weights.content import WeightsError
from extractors.weights.weight_sets import SHIPPED

DETECTOR = SHIPPED / "face_detection_short_range.tflite"
CONTENT = DETECTOR.read_bytes()
TINY = Path(__file__).parents[2] / "fixtures" / "faces" / "tiny.tflite"  # make.py beside it


def test_constant_floats_are_read_and_nothing_else() -> None:
    constants = read_constants(TINY.read_bytes())
    assert list(constants) == ["a/Kernel", "a/Bias"]
    np.testing.assert_array_equal(constants["a/Kernel"], np.arange(6, dtype=np.float16).reshape(2, 1, 1, 3))
    np.testing.assert_array_equal(constants["a/Bias"], np.arange(2, dtype=np.float32))


def test_every_truncation_is_refused() -> None:
    content = TINY.read_bytes()
    for size in range(len(content) - 4):  # the last bytes are padding
        with pytest.raises(TfliteError):
            read_constants(content[:size])


def test_constants_are_those_that_litert_finds() -> None:
    interpreter = Interpreter(str(DETECTOR), num_threads=1)
    interpreter.allocate_tensors()
    constants = read_constants(CONTENT)
    indices = {each["name"]: each["index"] for each in interpreter.get_tensor_details()}
    assert len(constants) == 2 * len(LAYERS)
    for name, array in constants.items():
        np.testing.assert_array_equal(array, interpreter.get_tensor(indices[name]), err_msg=name)


def test_every_parameter_is_loaded() -> None:
    network, names = FaceDetector(), read_constants(CONTENT)
    assert {f"{name}/{kind}" for name in LAYERS.values() for kind in ("Kernel", "Bias")} == set(names)
    assert len(network.state_dict()) == len(names)
    assert not any(parameter.is_meta for parameter in build_face_detector(DETECTOR).parameters())


def test_a_file_of_another_network_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"does not fit FaceMesh: missing activation.weight; .* and 105 more"):
        build_face_mesh(DETECTOR)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>sign in</html>", "is a page of text"),
        (b"\x1c\0\0\0TFL2" + bytes(100), "bytes 4 to 8 are not TFL3"),
        (CONTENT[:100_000], "more than remain|leads to byte"),
        (CONTENT.replace(b"conv2d_16/Bias", b"conv2d_15/Bias"), "two tensors have the name"),
        (CONTENT.replace(b"conv2d_16/Bias", b"conv2d_99/Bias"), "missing coarse.4.pointwise.bias"),
    ],
)
def test_unusable_files_are_named_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "face.tflite"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        build_face_detector(path)
    assert str(caught.value).startswith(str(path))


def test_a_shape_must_account_for_its_bytes() -> None:
    shape = np.array([4, 24, 5, 5, 3], "<i4").tobytes()  # the length of the vector, and the first kernel
    content = CONTENT.replace(shape, np.array([4, 24, 5, 5, 1 << 30], "<i4").tobytes())
    assert content != CONTENT
    with pytest.raises(TfliteError, match=r"'conv2d/Kernel' has the shape \[24, 5, 5, 1073741824\] and 3,600 bytes"):
        read_constants(content)


def test_counts_are_bounded() -> None:
    tensors = np.array([250], "<u4").tobytes()
    content = CONTENT.replace(tensors, np.array([MAX_TENSORS + 1], "<u4").tobytes()) + bytes(4 * MAX_TENSORS)
    with pytest.raises(TfliteError, match="4,097 tensors, more than 4,096"):
        read_constants(content)
