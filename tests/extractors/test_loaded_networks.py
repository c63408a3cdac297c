"""Loading a network; what it computes is tested in test_embedders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from extractors import loaded_networks
from extractors.embedder_config import AudioEmbedderConfig
from extractors.loaded_networks import LoadedVggish
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.inference_form import FusedConv, TiledLinear
from extractors.networks.sizes import EMBEDDING_DIM, NUM_BANDS, NUM_FRAMES
from extractors.weights.packed import pack_weights
from extractors.weights.resolve import ResolvedWeights


def test_a_second_process_need_not_test_batches_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = config()
    monkeypatch.setenv("FRAMEMILL_CACHE", str(tmp_path))
    rows = list(torch.rand((3, NUM_FRAMES, NUM_BANDS), generator=torch.Generator().manual_seed(0)))
    first = LoadedVggish(given, EMBEDDING_DIM)
    monkeypatch.setattr(BatchRunner, "_short_batches_agree", lambda self: pytest.fail("it was tested again"))
    second = LoadedVggish(given, EMBEDDING_DIM)
    np.testing.assert_array_equal(first.embed_prepared(rows), second.embed_prepared(rows))
    assert (second._runner.runs_full, second.is_on_gpu) == (first._runner.runs_full, False)


@pytest.mark.parametrize("size", ["CPU_STEM_FRAMES", "TILE_ROWS", "PACK_BATCH", "TESTED_ROWS"])
def test_sizes_that_the_answer_follows_from_are_part_of_the_question(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[object]] = []

    def answer(test: Callable[[], bool], settings: Sequence[object]) -> bool:
        asked.append(settings)
        return True

    monkeypatch.setattr(loaded_networks, "remembered", answer)
    Loaded(config())
    monkeypatch.setattr(loaded_networks, size, "another")
    Loaded(config())
    assert len(set(asked)) == 2


def test_layers_have_packed_their_weights_when_a_network_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task's memory is what it takes beyond that, also where no test of batches has run."""
    monkeypatch.setattr(loaded_networks, "remembered", lambda test, settings: True)
    layers = [layer for layer in Loaded(config()).network.modules() if isinstance(layer, FusedConv | TiledLinear)]
    assert len(layers) == 9
    assert [layer for layer in layers if layer.packed is None] == []


def config() -> AudioEmbedderConfig:
    weights = pack_weights(ResolvedWeights("sound", "random:0", seed=0))
    return AudioEmbedderConfig(weights, precision="fp32", batch_size=2, device="cpu", threads=1)


class Loaded(LoadedVggish):
    """Shows its network."""

    def __init__(self, config: AudioEmbedderConfig) -> None:
        super().__init__(config, EMBEDDING_DIM)

    def _load(self, *given: Any) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        self.network, forward = super()._load(*given)
        return self.network, forward
