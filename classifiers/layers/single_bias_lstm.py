"""A bidirectional LSTM with one bias per gate, as in Keras: float32 (N, T, D) to (N, T, 2 C), or a packed sequence.

Torch's has two biases per gate, which are only ever added; trained together, their sum moves twice as far as Keras's
one. Here the second is constant zero: neither a parameter nor in the state dict. Keras's order of the gates, input,
forget, cell, output, is torch's, and so are its sigmoid and tanh. It initialises kernels as orthogonal matrices, and
the biases of forget gates as 1.
"""

from __future__ import annotations

import torch
from torch import nn

DIRECTIONS = ("", "_reverse")


class SingleBiasLstm(nn.LSTM):
    """`nn.LSTM` of one layer and two directions, `inputs` D and `cells` C, batch first."""

    def __init__(self, *, inputs: int, cells: int) -> None:
        super().__init__(inputs, cells, batch_first=True, bidirectional=True)
        for direction in DIRECTIONS:
            name = f"bias_hh_l0{direction}"
            delattr(self, name)
            zeros = torch.zeros(4 * cells)
            self.register_buffer(name, zeros, persistent=False)
            setattr(self, name, zeros)  # tells torch's LSTM, which keeps a list of its tensors
        with torch.no_grad():
            for direction in DIRECTIONS:
                nn.init.orthogonal_(getattr(self, f"weight_ih_l0{direction}"))
                nn.init.orthogonal_(getattr(self, f"weight_hh_l0{direction}"))
                bias = getattr(self, f"bias_ih_l0{direction}")
                bias.zero_()
                bias[cells : 2 * cells] = 1.0
