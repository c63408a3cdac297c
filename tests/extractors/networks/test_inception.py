import numpy as np
import pytest
import torch

from extractors.networks.image_input import IMAGE_INPUTS
from extractors.networks.inception import VARIANTS
from tests.support import parity

MODELS = {"inception-2015": "inception_2015_fid", "inception-imagenet": "inception_v3_torchvision"}
PARAMETERS = {"inception-2015": 23_850_960, "inception-imagenet": 23_834_568 + 3_326_696}


@pytest.fixture(scope="module", params=sorted(MODELS))
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def network(variant):
    with torch.device("meta"):
        network = VARIANTS[variant]()
    network.load_state_dict(parity.state_dict(MODELS[variant]), strict=True, assign=True)
    return network.eval()


def test_parameter_count_is_the_documented_one(variant, network):
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[variant]


def test_features_and_logits_equal_the_reference(variant, network):
    golden = parity.golden(MODELS[variant])
    frames = parity.weights.frames(0, (2, 299, 299, 3))
    # Frames of the network's own size: the scaling alone, which for torchvision's transform is x / 127.5 - 1.
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    images = (pixels - 128) / 128 if variant == "inception-2015" else pixels / 127.5 - 1
    with torch.inference_mode():
        features = network.forward_features(images)
        logits = network.forward_head(features)
    assert parity.rel_rms(features, golden["frames299_features"]) < 1e-5
    assert parity.rel_rms(logits, golden["frames299_logits"]) < 1e-5


def test_resized_frames_equal_the_reference(variant, network):
    golden = parity.golden(MODELS[variant])
    frame = torch.from_numpy(parity.weights.frames(1, (1, 360, 480, 3))[0])
    with torch.inference_mode():
        features = network.forward_features(IMAGE_INPUTS[variant].direct(frame).permute(2, 0, 1)[None])
        logits = network.forward_head(features)
    tolerance = 1e-5 if variant == "inception-2015" else 1e-3  # torchvision's resize rounds to uint8
    assert parity.rel_rms(features, golden["frames360x480_features"]) < tolerance
    assert parity.rel_rms(logits, golden["frames360x480_logits"]) < tolerance


def test_every_parameter_but_the_unused_head_gets_a_gradient(network):
    network.zero_grad()
    images = np.random.default_rng(0).uniform(-1, 1, (1, 3, 299, 299)).astype(np.float32)
    network(torch.from_numpy(images)).sum().backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == {name for name, _ in network.named_parameters() if name.startswith("AuxLogits.")}
    network.zero_grad()
