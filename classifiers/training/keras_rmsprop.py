"""RMSprop as Keras 3 (and tf.keras from 2.11 on) computes it: epsilon inside the root.

    v = rho v + (1 - rho) g^2        step = lr g / sqrt(v + eps)

Torch's RMSprop divides by sqrt(v) + eps, which with these defaults changes the loss by 0.1 from the first step on. With
`centered`, the square of the mean gradient is subtracted from v; with `momentum`, the update is
m = momentum m + step. Defaults are Keras's.

On a CPU a step takes parts of the tensors, one after the other, that stay in its cache from the first operation to the
last. The bits are those of whole tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT
from typing_extensions import override

PART = 1 << 18  # numbers


class KerasRMSprop(Optimizer):
    """Keras's RMSprop; processes many tensors together."""

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
        gradients: list[Tensor] = [weight.grad for weight in weights if weight.grad is not None]
        names = ["velocity", *(["average_gradient"] if group["centered"] else [])]
        names += ["momentum"] if group["momentum"] > 0 else []
        for part in _parts([weights, gradients, *(self._state(weights, name) for name in names)]):
            _step(group, part[0], part[1], dict(zip(names, part[2:], strict=True)))

    def _state(self, weights: list[Tensor], name: str) -> list[Tensor]:
        for weight in weights:
            if name not in self.state[weight]:
                self.state[weight][name] = torch.zeros_like(weight)
        return [self.state[weight][name] for weight in weights]


def _step(
    group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], state: dict[str, list[Tensor]]
) -> None:
    rho, squares = group["rho"], state["velocity"]
    torch._foreach_mul_(squares, rho)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - rho)
    roots = torch._foreach_add(squares, group["eps"])
    if group["centered"]:
        means = state["average_gradient"]
        torch._foreach_mul_(means, rho)
        torch._foreach_add_(means, gradients, alpha=1 - rho)
        torch._foreach_addcmul_(roots, means, means, -1)
    torch._foreach_sqrt_(roots)
    if group["momentum"] > 0:
        updates = state["momentum"]
        torch._foreach_mul_(updates, group["momentum"])
        torch._foreach_addcdiv_(updates, gradients, roots, group["lr"])
        torch._foreach_sub_(weights, updates)
    else:
        torch._foreach_addcdiv_(weights, gradients, roots, -group["lr"])


def _parts(lists: Sequence[list[Tensor]]) -> Iterator[list[list[Tensor]]]:
    """The tensors of all lists, in parts of about `PART` numbers; those of one parameter are at the same place."""
    part: list[tuple[Tensor, ...]] = []
    size = 0
    for tensors in zip(*lists, strict=True):
        for piece in _pieces(tensors):
            part.append(piece)
            size += piece[0].numel()
            if size >= PART and piece[0].is_cpu:
                yield [list(each) for each in zip(*part, strict=True)]
                part, size = [], 0
    if part:
        yield [list(each) for each in zip(*part, strict=True)]


def _pieces(tensors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    if tensors[0].numel() <= PART or not all(each.is_cpu and each.is_contiguous() for each in tensors):
        yield tensors
    else:
        yield from zip(*(torch.split(each.view(-1), PART) for each in tensors), strict=True)
