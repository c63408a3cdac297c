import json

import numpy as np
import pytest
import torch
from torch import nn

from extractors.networks.pca import fit_pca
from extractors.networks.vggish import VGGish, VGGishConfig
from extractors.weights.content import WeightsError
from extractors.weights.packed import pack_weights
from extractors.weights.pca_formats import write_statistics
from extractors.weights.pretrained import build_inception, build_pca, build_vggish, load_strictly, random_state
from extractors.weights.resolve import ResolvedWeights, resolve_weights
from tests.support import parity
from tests.support.memory import memory_below

MODELS = {"inception-2015": "inception_2015_fid", "inception-imagenet": "inception_v3_torchvision"}


@pytest.mark.parametrize("variant", sorted(MODELS))
def test_public_layouts_load_and_the_number_of_classes_determines_the_variant(tmp_path, variant):
    state = parity.state_dict(MODELS[variant])
    if variant == "inception-imagenet":  # torchvision's file is older than the batch counters
        state = {key: value for key, value in state.items() if "num_batches" not in key}
    torch.save(state, tmp_path / "w.pth")
    given = resolve_weights(str(tmp_path / "w.pth"), "frames")
    packed = pack_weights(given, tmp_path)
    assert packed.fingerprint == given.fingerprint
    assert packed.path.endswith(".safetensors")
    assert pack_weights(given, tmp_path) == packed
    for weights in (given, packed):
        network, found = build_inception(weights)
        assert found == variant
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items() if key in state)


def test_mismatching_files_are_refused_with_the_differences(tmp_path):
    state = dict(parity.state_dict("inception_2015_fid"))
    del state["Conv2d_1a_3x3.conv.weight"]
    state["extra"] = torch.zeros(1)
    state["fc.weight"] = torch.zeros(1008, 3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        build_inception(resolve_weights(str(tmp_path / "w.pth"), "frames"))
    for part in ("w.pth", "missing Conv2d_1a_3x3.conv.weight", "unknown extra", "fc.weight has shape (1008, 3)"):
        assert part in str(caught.value)


def test_another_number_of_classes_is_refused(tmp_path):
    torch.save({"fc.bias": torch.zeros(10)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="10 values, supported are 1008"):
        build_inception(resolve_weights(str(tmp_path / "w.pth"), "frames"))


def test_long_lists_of_problems_are_shortened():
    with pytest.raises(WeightsError, match="and 13 more"):
        load_strictly(VGGish(VGGishConfig(hidden=8)), {}, "w.pth")


def test_random_networks_are_seeded_and_keep_their_scale():
    network, variant = build_inception(resolve_weights("random:1", "frames"))
    assert variant == "inception-2015"
    same, _ = build_inception(resolve_weights("random:1", "frames"))
    other, _ = build_inception(resolve_weights("random:2", "frames"))
    key = "Mixed_7c.branch_pool.conv.weight"
    assert torch.equal(network.state_dict()[key], same.state_dict()[key])
    assert not torch.equal(network.state_dict()[key], other.state_dict()[key])
    frames = parity.weights.frames(2, (2, 299, 299, 3))
    images = ((torch.from_numpy(frames).float() - 128) / 128).permute(0, 3, 1, 2)
    with torch.inference_mode():
        features = network.forward_features(images)
    assert 0.1 < features.mean() < 10
    assert parity.rel_rms(features[0], features[1].numpy()) > 0.05  # different frames stay apart


def test_random_state_has_vggishs_keys():
    network = VGGish(VGGishConfig(channels=(2, 0, 2, 0, 2, 2, 0, 2, 2, 0), hidden=4))
    network.load_state_dict(random_state(network, 0))


def test_vggish_with_another_networks_weights_is_refused(tmp_path):
    torch.save({"fc.bias": torch.zeros(10)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"does not fit VGGish: missing features\.0\.weight"):
        build_vggish(resolve_weights(str(tmp_path / "w.pth"), "sound"))


def test_pca_is_packed_and_must_have_the_features_width(tmp_path):
    write_statistics(
        fit_pca([np.random.default_rng(0).standard_normal((200, 128)).astype(np.float32)]), tmp_path / "pca"
    )
    given = resolve_weights(str(tmp_path / "pca"), "sound-pca")
    packed = pack_weights(given, tmp_path / "cache")
    np.testing.assert_array_equal(build_pca(packed).matrix, build_pca(given).matrix)
    with pytest.raises(WeightsError, match="width 128, frame-pca needs 2048"):
        build_pca(resolve_weights(str(tmp_path / "pca"), "frame-pca"))


def test_spec_files_are_the_public_ones():
    spec = json.loads((parity.FOLDER / "vggish.json").read_text())
    assert set(spec) == set(VGGish(VGGishConfig(hidden=4)).state_dict())


def test_files_beyond_their_network_are_not_read(tmp_path):
    for build, kind in ((build_inception, "frames"), (build_vggish, "sound")):
        with (tmp_path / f"{kind}.pb").open("wb") as file:
            file.truncate(8 << 30)  # a hole
        weights = ResolvedWeights(kind, kind, str(tmp_path / f"{kind}.pb"), "0" * 64)
        message = r"the file claims 8,589,934,592 bytes, more than the .* allowed: \w+ has [\d,]+ numbers"
        with memory_below(50), pytest.raises(WeightsError, match=message):
            build(weights)


def test_weights_of_another_type_are_refused():
    state = nn.Linear(2, 1).state_dict()
    with pytest.raises(WeightsError, match="weight has type int64, not floating point"):
        load_strictly(nn.Linear(2, 1), state | {"weight": torch.ones((1, 2), dtype=torch.int64)}, "w.pth")
