"""RMSprop as Keras 3 (and tf.keras from 2.11 on) computes it: epsilon inside the root.

    v = rho v + (1 - rho) g^2        step = lr g / sqrt(v + eps)

Torch's RMSprop divides by sqrt(v) + eps, which with these defaults changes the loss by 0.1 from the first step on. With
`centered`, the square of the mean gradient is subtracted from v; with `momentum`, the update is
m = momentum m + step. Defaults are Keras's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT
from typing_extensions import override


class KerasRMSprop(Optimizer):
    """Keras's RMSprop; processes all tensors of a group together."""

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float = 1e-3,
        rho: float = 0.9,
        momentum: float = 0.0,
        eps: float = 1e-7,
        centered: bool = False,
    ) -> None:
        """Check the values."""
        problems = [f"lr must not be negative, got {lr}"] if not lr >= 0 else []
        problems += [f"eps must be above 0, got {eps}"] if not eps > 0 else []
        rates = (("rho", rho), ("momentum", momentum))
        problems += [f"{name} must be in [0, 1), got {value}" for name, value in rates if not 0 <= value < 1]
        if problems:
            raise ValueError("; ".join(problems))
        super().__init__(params, {"lr": lr, "rho": rho, "momentum": momentum, "eps": eps, "centered": centered})

    @torch.no_grad()
    @override
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        weights: list[Tensor] = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return
        gradients: list[Tensor] = [weight.grad for weight in weights if weight.grad is not None]
        rho = group["rho"]
        squares = self._state(weights, "velocity")
        torch._foreach_mul_(squares, rho)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - rho)
        roots = torch._foreach_add(squares, group["eps"])
        if group["centered"]:
            means = self._state(weights, "average_gradient")
            torch._foreach_mul_(means, rho)
            torch._foreach_add_(means, gradients, alpha=1 - rho)
            torch._foreach_addcmul_(roots, means, means, -1)
        torch._foreach_sqrt_(roots)
        if group["momentum"] > 0:
            updates = self._state(weights, "momentum")
            torch._foreach_mul_(updates, group["momentum"])
            torch._foreach_addcdiv_(updates, gradients, roots, group["lr"])
            torch._foreach_sub_(weights, updates)
        else:
            torch._foreach_addcdiv_(weights, gradients, roots, -group["lr"])

    def _state(self, weights: list[Tensor], name: str) -> list[Tensor]:
        for weight in weights:
            if name not in self.state[weight]:
                self.state[weight][name] = torch.zeros_like(weight)
        return [self.state[weight][name] for weight in weights]
