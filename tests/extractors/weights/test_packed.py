"""Weights are converted once; what is in the cache is whole. Formats are tested in test_pretrained."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from extractors.networks.pca import random_pca
from extractors.networks.vggish import VGGish, VGGishConfig
from extractors.weights import packed as packed_module
from extractors.weights import pretrained
from extractors.weights.content import WeightsError
from extractors.weights.packed import pack_weights
from extractors.weights.pca_formats import write_pca
from extractors.weights.pretrained import build_pca, build_vggish
from extractors.weights.resolve import ResolvedWeights, resolve_weights

AGAIN = """
import sys
from pathlib import Path
from extractors.weights.packed import pack_weights
from extractors.weights.resolve import resolve_weights
pack_weights(resolve_weights("random:5", "sound-pca"), Path(sys.argv[1]))
assert "torch" not in sys.modules
"""


def test_a_packed_random_pca_keeps_its_seed_and_is_found_without_torch(tmp_path: Path) -> None:
    packed = pack_weights(resolved("random:5", "sound-pca"), tmp_path)
    assert packed.is_random
    assert packed.fingerprint == "random:5"
    np.testing.assert_array_equal(build_pca(packed).matrix, build_pca(resolved("random:5", "sound-pca")).matrix)
    subprocess.run([sys.executable, "-c", AGAIN, str(tmp_path)], check=True, timeout=100)


def test_a_random_network_is_the_same_drawn_packed_and_on_a_machine_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = VGGishConfig(channels=(2, 0, 2, 0, 2, 2, 0, 2, 2, 0), hidden=4)
    monkeypatch.setattr(pretrained, "vggish", lambda: VGGish(small))
    drawn = resolved("random:5", "sound")
    packed = pack_weights(drawn, tmp_path)
    assert packed.path is not None
    expected = build_vggish(drawn).state_dict()
    for weights in (packed, replace(packed, path=str(tmp_path / "elsewhere"))):
        state = build_vggish(weights).state_dict()
        assert all(torch.equal(state[key], value) for key, value in expected.items())
    monkeypatch.setattr(pretrained, "random_state", lambda *_: pytest.fail("it was drawn again"))
    build_vggish(packed)


def test_what_cannot_be_converted_leaves_nothing(tmp_path: Path) -> None:
    torch.save({"fc.bias": torch.zeros(10)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="does not fit VGGish"):
        pack_weights(resolved(str(tmp_path / "w.pth"), "sound"), tmp_path / "cache")
    assert not list((tmp_path / "cache" / "packed").iterdir())


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(WeightsError, match=r"random:5 for sound-pca cannot be .*cache/packed: .*set FRAMEMILL_CACHE"):
        pack_weights(resolved("random:5", "sound-pca"), tmp_path / "cache")


@pytest.mark.parametrize("kind", ["sound", "sound-pca"])
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    small = VGGishConfig(channels=(2, 0, 2, 0, 2, 2, 0, 2, 2, 0), hidden=4)
    monkeypatch.setattr(pretrained, "vggish", lambda: VGGish(small))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit is an error
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        with pytest.raises(WeightsError, match="set FRAMEMILL_CACHE to a folder that can be written to and has room"):
            pack_weights(resolved("random:5", kind), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "packed").iterdir())


def test_a_dry_run_checks_weights_and_writes_none(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write_pca(random_pca(3, dims_in=128), tmp_path / "p.safetensors")
    given = resolved(str(tmp_path / "p.safetensors"), "sound-pca")
    for weights in (given, resolved("random:5", "sound-pca")):
        assert pack_weights(weights, cache, is_dry_run=True) == weights
    with pytest.raises(WeightsError, match="frame-pca needs 2048"):
        pack_weights(replace(given, kind="frame-pca"), cache, is_dry_run=True)
    assert not cache.exists()
    packed = pack_weights(given, cache)
    assert pack_weights(given, cache, is_dry_run=True) == packed != given


def test_another_conversion_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = resolved("random:5", "sound-pca")
    before = pack_weights(weights, tmp_path)
    monkeypatch.setattr(packed_module, "PACKED_VERSION", "next")
    after = pack_weights(weights, tmp_path)
    assert (after.path != before.path, after.fingerprint) == (True, before.fingerprint)


def resolved(spec: str, kind: str) -> ResolvedWeights:
    weights = resolve_weights(spec, kind)  # type: ignore[arg-type]  # as the tests give it
    assert weights is not None
    return weights
