"""One bias per gate, in training, in files and in copies; its numbers are checked against Keras in `lip_models`."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from classifiers.layers.single_bias_lstm import SingleBiasLstm

INPUTS, CELLS = 3, 4


def new() -> SingleBiasLstm:
    torch.manual_seed(0)
    return SingleBiasLstm(inputs=INPUTS, cells=CELLS)


def plain(layer: SingleBiasLstm) -> nn.LSTM:
    """Torch's own, with the second bias set to 0."""
    other = nn.LSTM(INPUTS, CELLS, batch_first=True, bidirectional=True)
    zeros = {key: torch.zeros(4 * CELLS) for key in ("bias_hh_l0", "bias_hh_l0_reverse")}
    other.load_state_dict(layer.state_dict() | zeros)
    return other


def rows() -> Tensor:
    return torch.randn(2, 5, INPUTS, generator=torch.Generator().manual_seed(1))


def test_it_computes_what_torchs_does_without_the_second_bias() -> None:
    layer = new()
    output, _ = layer(rows())
    assert torch.equal(output, plain(layer)(rows())[0])
    packed = pack_padded_sequence(rows(), torch.tensor([5, 2]), batch_first=True)
    assert torch.equal(layer(packed)[0].data, plain(layer)(packed)[0].data)


def test_only_one_bias_is_trained_and_stored() -> None:
    layer = new()
    assert sum(weight.numel() for weight in layer.parameters()) == 2 * 4 * CELLS * (INPUTS + CELLS + 1)
    assert not [key for key in layer.state_dict() if "bias_hh" in key]
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    before, _ = layer(rows())
    before.sum().backward()
    optimizer.step()
    assert not torch.equal(layer(rows())[0], before)
    assert torch.equal(layer(rows())[0], plain(layer)(rows())[0])


def test_copies_and_other_types_keep_their_own_weights() -> None:
    layer = new()
    other = copy.deepcopy(layer).double()
    torch.testing.assert_close(other(rows().double())[0].float(), layer(rows())[0])
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
    assert not torch.allclose(other(rows().double())[0].float(), layer(rows())[0])


def test_it_starts_as_in_keras() -> None:
    layer = new()
    for name in ("weight_ih_l0", "weight_hh_l0_reverse"):
        kernel = getattr(layer, name)  # (4 C, D), its columns orthonormal
        torch.testing.assert_close(kernel.T @ kernel, torch.eye(kernel.shape[1]), atol=1e-5, rtol=0)
    assert layer.bias_ih_l0.tolist() == [0.0] * CELLS + [1.0] * CELLS + [0.0] * 2 * CELLS
