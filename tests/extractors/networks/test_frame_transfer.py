import pytest
import torch

from extractors.networks.frame_transfer import sent_in_groups
from extractors.networks.image_input import IMAGE_INPUTS, PreparedFrame
from tests.support.devices import DEVICES

CPU = torch.device("cpu")
MOST = 6


def frames_of(sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=generator) for size in sizes]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("variant", sorted(IMAGE_INPUTS))
def test_grouped_frames_become_the_same_inputs_as_single_ones(variant, device):
    sizes = [(40, 60)] * 3 + [(60, 40)] + [(40, 60)] + [(700, 640)] * (MOST + 2)
    frames = frames_of(sizes)
    image_input = IMAGE_INPUTS[variant]
    groups = list(sent_in_groups(map(image_input.on_host, frames), device, MOST))
    assert len(groups) == 5 if variant == "inception-2015" else len(groups) >= 2
    assert all(len(group.pixels) <= MOST for group in groups)
    inputs = torch.cat([image_input.on_device(group).cpu() for group in groups])
    expected = torch.stack([image_input.direct(frame) for frame in frames])
    assert torch.equal(inputs, expected) if device == CPU else torch.allclose(inputs, expected, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_the_memory_of_a_transferred_frame_may_be_overwritten(device):
    kept = frames_of([(8, 8)] * 5)

    def stream():
        memory = torch.empty(8, 8, 3, dtype=torch.uint8)
        for frame in kept:
            yield PreparedFrame(memory.copy_(frame), 8, 8)

    (group,) = sent_in_groups(stream(), device, MOST)
    assert torch.equal(group.pixels.cpu(), torch.stack(kept))


def test_frames_of_equal_shape_from_different_sizes_are_not_grouped():
    pixels = torch.zeros(598, 598, 3, dtype=torch.uint8)
    frames = [PreparedFrame(pixels, 1080, 1920), PreparedFrame(pixels, 720, 1280)]
    assert [(group.height, group.width) for group in sent_in_groups(frames, CPU, MOST)] == [(1080, 1920), (720, 1280)]


def test_without_frames_there_are_no_groups():
    assert list(sent_in_groups([], CPU, MOST)) == []
