import numpy as np
import pytest
import torch

from extractors.networks.image_input import (
    IMAGE_INPUTS,
    as_image_tensor,
    imagenet_crop,
    tf1_bilinear_resize,
    whole_frame,
)
from tests.support import parity


def test_tf1_resize_equals_tensorflows():
    frame = torch.from_numpy(parity.weights.frames(1, (1, 360, 480, 3))[0])
    resized = tf1_bilinear_resize(whole_frame(frame))[::13, ::13].numpy()
    np.testing.assert_allclose(
        resized, parity.golden("inception_2015_fid")["frames360x480_resized_every13"][0], rtol=0, atol=1e-3
    )


def test_imagenet_input_equals_torchvisions():
    frame = torch.from_numpy(parity.weights.frames(1, (1, 360, 480, 3))[0])
    ours = IMAGE_INPUTS["inception-imagenet"].direct(frame)[::13, ::13].numpy()
    normalised = parity.golden("inception_v3_torchvision")["frames360x480_input_every13"][0]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (normalised * deviation + mean) * 2 - 1
    assert np.abs(ours - expected).max() <= 1.01 * 2 / 255  # one grey level, where the resizers round differently
    assert parity.rel_rms(ours, expected) < 1e-2


@pytest.mark.parametrize("variant", sorted(IMAGE_INPUTS))
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (299, 299), (342, 342), (1080, 1920), (1921, 1079), (50, 700)])
def test_any_size_becomes_the_networks_input(variant, size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    image = IMAGE_INPUTS[variant].direct(as_image_tensor(frame))
    assert image.shape == (299, 299, 3)
    assert image.dtype == torch.float32
    assert torch.isfinite(image).all()
    assert image.abs().max() <= 1.0


def test_tf1_resize_keeps_an_image_of_the_target_size():
    frame = np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype=np.uint8)
    np.testing.assert_array_equal(tf1_bilinear_resize(whole_frame(as_image_tensor(frame))).numpy(), frame)


def test_crop_is_central():
    frame = np.zeros((342, 600, 3), dtype=np.uint8)
    frame[:, 300:] = 255
    crop = imagenet_crop(torch.from_numpy(frame))[0, :, 0]
    assert 149 <= int((crop == 0).sum()) <= 150


def test_keras_input_has_all_of_the_frame():
    frame = np.zeros((100, 600, 3), dtype=np.uint8)
    frame[:, 300:] = 255
    image = IMAGE_INPUTS["inception-keras"].direct(torch.from_numpy(frame))
    assert image[:, :149].unique().tolist() == [-1.0]
    assert image[:, 150:].unique().tolist() == [1.0]


@pytest.mark.parametrize("view", ["read-only", "flipped", "sliced", "fortran"])
def test_arrays_of_any_memory_layout_are_accepted(view):
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    arrays = {"flipped": frame[::-1], "sliced": frame[:, 5:50], "fortran": np.asfortranarray(frame), "read-only": frame}
    array = arrays[view]
    array.flags.writeable = view != "read-only"
    np.testing.assert_array_equal(as_image_tensor(array).numpy(), array)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="uint8"):
        as_image_tensor(np.zeros(shape, dtype=np.uint8))


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="float32"):
        as_image_tensor(np.zeros((4, 4, 3), dtype=np.float32))


@pytest.mark.parametrize("variant", sorted(IMAGE_INPUTS))
@pytest.mark.parametrize("size", [(120, 160), (299, 299), (598, 599), (1080, 1920), (1280, 300)])
def test_a_prepared_frame_gives_the_same_bits_and_is_smaller(variant: str, size: tuple[int, int]) -> None:
    frame = as_image_tensor(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    prepared = IMAGE_INPUTS[variant].on_host(frame)
    assert prepared.pixels.dtype == torch.uint8
    assert prepared.pixels.numel() <= 598 * 598 * 3
    assert torch.equal(IMAGE_INPUTS[variant].on_device(prepared), IMAGE_INPUTS[variant].direct(frame))
