from __future__ import annotations

import torch

from classifiers.layers.frames import mean_over_frames, padded, valid_frames


def test_rows_return_to_their_positions() -> None:
    valid = valid_frames(torch.tensor([2, 0, 3]), 3)
    assert valid.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    frames = torch.arange(1.0, 19.0).reshape(3, 3, 2)
    assert torch.equal(padded(frames[valid], valid), frames * valid[:, :, None])


def test_means_exclude_padding() -> None:
    frames = torch.tensor([[[1.0], [3.0], [float("nan")]], [[2.0], [4.0], [9.0]]])
    assert mean_over_frames(frames, torch.tensor([2, 3])).tolist() == [[2.0], [5.0]]
