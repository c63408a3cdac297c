from __future__ import annotations

import torch

from classifiers.layers.row_norm import RowNorm


def test_batches_use_their_statistics_and_single_rows_the_running_ones() -> None:
    norm = RowNorm(2)
    rows = torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0]])
    normalised = norm.train()(rows)
    expected = (rows - rows.mean(0)) / (rows.var(0, correction=0) + 1e-3).sqrt()
    torch.testing.assert_close(normalised, expected)
    statistics = [buffer.clone() for buffer in norm.buffers()]
    alone = norm(rows[:1])
    assert all(torch.equal(before, after) for before, after in zip(statistics, norm.buffers(), strict=True))
    torch.testing.assert_close(alone, norm.eval()(rows[:1]))
    assert alone.requires_grad
