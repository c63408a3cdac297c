"""Weights are converted once; what is in the cache is whole. Formats are tested in test_pretrained."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from extractors.networks.vggish import VGGish, VGGishConfig
from extractors.weights import pretrained
from extractors.weights.content import WeightsError
from extractors.weights.packed import pack_weights, written_whole
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


def test_a_file_shows_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with written_whole(path) as part:
        part.write_text("content")
        assert not path.exists()
    assert [file.read_text() for file in path.parent.iterdir()] == ["content"]
    with pytest.raises(FileNotFoundError), written_whole(path) as part:
        part.unlink()
    assert [file.read_text() for file in path.parent.iterdir()] == ["content"]


def resolved(spec: str, kind: str) -> ResolvedWeights:
    weights = resolve_weights(spec, kind)  # type: ignore[arg-type]  # as the tests give it
    assert weights is not None
    return weights
