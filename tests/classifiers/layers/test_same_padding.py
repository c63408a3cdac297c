from __future__ import annotations

import pytest
import torch

from classifiers.layers.same_padding import pad_same, same_padding


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (225, 7, 2, (3, 3)),
        (172, 3, 2, (0, 1)),
        (43, 3, 2, (1, 1)),
        (9, 5, 1, (2, 2)),
        (8, 1, 2, (0, 0)),
    ],
)
def test_the_larger_half_of_the_padding_is_after(
    size: int, kernel: int, stride: int, expected: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride) == expected


def test_every_dimension_has_its_own_padding() -> None:
    values = torch.ones(1, 1, 3, 4, 5)
    padded = pad_same(values, (1, 3, 5), (1, 2, 1))
    assert padded.shape == (1, 1, 3, 5, 9)
    assert padded[0, 0, 0].tolist() == [[0, 0, 1, 1, 1, 1, 1, 0, 0]] * 4 + [[0] * 9]
    assert pad_same(values, (1, 1, 1), (1, 1, 1)) is values
