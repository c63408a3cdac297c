"""Loading a network; what it computes is tested in test_embedders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from extractors.embedder_config import AudioEmbedderConfig
from extractors.loaded_networks import LoadedVggish
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.inference_form import TiledLinear
from extractors.networks.sizes import EMBEDDING_DIM, NUM_BANDS, NUM_FRAMES
from extractors.weights.packed import pack_weights
from extractors.weights.resolve import ResolvedWeights


def test_a_second_process_need_not_test_batches_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = pack_weights(ResolvedWeights("sound", "random:0", seed=0))
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path))
    config = AudioEmbedderConfig(weights, precision="fp32", batch_size=2, device="cpu", threads=1)
    rows = list(torch.rand((3, NUM_FRAMES, NUM_BANDS), generator=torch.Generator().manual_seed(0)))
    first = LoadedVggish(config, EMBEDDING_DIM)
    monkeypatch.setattr(BatchRunner, "_short_batches_agree", lambda self: pytest.fail("it was tested again"))
    second = LoadedVggish(config, EMBEDDING_DIM)
    np.testing.assert_array_equal(first.embed_prepared(rows), second.embed_prepared(rows))
    assert (second._runner.runs_full, second.is_on_gpu) == (first._runner.runs_full, False)


def test_layers_have_packed_their_weights_when_a_network_is_loaded() -> None:
    """A task's memory is what it takes beyond that."""
    weights = pack_weights(ResolvedWeights("sound", "random:0", seed=0))
    network, _ = LoadedVggish._load(LoadedVggish.__new__(LoadedVggish), AudioEmbedderConfig(weights), "fp32", CPU)
    assert [layer.packed is None for layer in network.modules() if isinstance(layer, TiledLinear)] == [True] * 3


CPU = torch.device("cpu")
