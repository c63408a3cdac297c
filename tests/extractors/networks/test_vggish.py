import numpy as np
import pytest
import torch

from extractors.networks.inference_form import to_inference_form
from extractors.networks.log_mel import log_mel
from extractors.networks.vggish import VGGish, VGGishConfig, vggish
from tests.extractors.networks.test_log_mel import windows_of
from tests.support import parity


@pytest.fixture(scope="module")
def network():
    with torch.device("meta"):
        network = vggish()
    network.load_state_dict(parity.state_dict("vggish"), strict=True, assign=True)
    return network.eval()


def test_parameter_count_is_the_documented_one(network):
    assert sum(parameter.numel() for parameter in network.parameters()) == 72_141_184


@pytest.mark.parametrize("case", ["sine", "chirp", "noise"])
def test_embedding_equals_the_reference_before_its_last_relu(network, case):
    golden = parity.golden("vggish")
    with torch.inference_mode():
        embedding = network(torch.from_numpy(golden[f"{case}_examples"]))
        from_sound = network(log_mel(windows_of(case).astype(np.float32)))
    assert parity.rel_rms(embedding, golden[f"{case}_embedding"]) < 1e-5
    assert parity.rel_rms(embedding.relu(), golden[f"{case}_embedding_relu"]) < 1e-5
    assert parity.rel_rms(from_sound, golden[f"{case}_embedding"]) < 1e-4


def test_inference_form_agrees_in_any_batch():
    small = VGGish(VGGishConfig(channels=(8, 0, 8, 0, 16, 16, 0, 16, 16, 0), hidden=64)).eval()
    examples = torch.randn(7, 96, 64)
    with torch.inference_mode():
        expected = small(examples)
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 5e-2)):
            copy = VGGish(small.config)
            copy.load_state_dict(small.state_dict())
            fused = to_inference_form(copy, dtype=dtype)
            together = fused(examples.to(dtype))
            assert together.dtype == torch.float32
            assert parity.rel_rms(together, expected.numpy()) < tolerance
            parts = torch.cat([fused(part) for part in examples.to(dtype).split(3)])
            assert parity.rel_rms(parts, together.numpy()) < tolerance


def test_every_parameter_gets_a_gradient():
    small = VGGish(VGGishConfig(channels=(4, 0, 4, 0, 8, 8, 0, 8, 8, 0), hidden=16))
    small(torch.randn(2, 96, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
