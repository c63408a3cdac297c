from __future__ import annotations

import torch
from torch import nn

from classifiers.layers.heads import MixtureHead, make_head


def test_sigmoid_of_the_logits_is_the_mixture() -> None:
    torch.manual_seed(0)
    head = MixtureHead(feature_dim=7, num_classes=3, num_mixtures=2).double()
    features = torch.randn(5, 7).double()
    gates = (features @ head.gates.weight.T).reshape(5, 3, 3).softmax(2)
    experts = (features @ head.experts.weight.T + head.experts.bias).reshape(5, 3, 2).sigmoid()
    torch.testing.assert_close(head(features).sigmoid(), (gates[:, :, :2] * experts).sum(2))


def test_extreme_features_keep_logits_and_gradients_finite() -> None:
    torch.manual_seed(0)
    head = MixtureHead(feature_dim=4, num_classes=3, num_mixtures=2)
    for scale in (1e-8, 1.0, 1e4):
        features = (torch.randn(6, 4) * scale).requires_grad_()
        logits = head(features)
        logits.sum().backward()
        assert logits.isfinite().all()
        assert features.grad is not None
        assert features.grad.isfinite().all()


def test_no_mixtures_make_a_linear_layer() -> None:
    assert isinstance(make_head(feature_dim=4, num_classes=3, num_mixtures=0), nn.Linear)
    assert isinstance(make_head(feature_dim=4, num_classes=3, num_mixtures=1), MixtureHead)
