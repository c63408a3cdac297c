from __future__ import annotations

import copy

import torch
from torch import nn

from classifiers.export.form import form_of
from classifiers.export.litert_lowering import GroupedConv3d, lowered
from classifiers.inference.clip_classifier import clip_model_of
from tests.support.exports import litert_checkpoint


def test_convolutions_with_groups_are_sums_of_flat_ones() -> None:
    torch.manual_seed(0)
    for stride, padding, dilation in (((1, 1, 1), (2, 1, 1), (1, 1, 1)), ((2, 2, 1), (0, 1, 0), (2, 1, 2))):
        plain = nn.Conv3d(6, 12, (5, 3, 3), stride, padding, dilation, groups=3)
        values = torch.randn(2, 6, 14, 9, 8)
        expected = plain(values)
        plain.__class__ = GroupedConv3d
        torch.testing.assert_close(plain(values), expected)


def test_a_network_stays_the_same() -> None:
    form = form_of(clip_model_of(litert_checkpoint("clip")))
    changed = lowered(copy.deepcopy(form))
    assert sum(isinstance(module, GroupedConv3d) for module in changed.modules()) > 10
    with torch.inference_mode():
        for found, expected in zip(changed(*form.examples(2)), form(*form.examples(2)), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=float(1e-5 * expected.std()))
