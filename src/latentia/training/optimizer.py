"""Optimisers: AdamW, and Muon, which steps hidden layers along orthogonalised momentum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from latentia.config import TrainingConfig

BETAS = (0.9, 0.99)
MOMENTUM = 0.95
ITERATIONS = 5
# Sides of the matrices that are worth it: smaller ones have no spectrum to speak of, for larger ones the iteration
# takes longer than the step itself.
SMALLEST_SIDE, LARGEST_SIDE = 24, 256


class Muon(torch.optim.AdamW):
    """AdamW whose first group of weights steps along orthogonalised momentum instead.

    All singular values of such a step are about 1, so that directions with small gradients are learned as fast as
    those with large ones (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon; scale and weight decay as
    there). Convolutions count as matrices (out, in * taps).

    Args:
        groups: parameter groups; those with `orthogonal` true hold weights of at least two dimensions.

    Example:
        >>> weight = nn.Parameter(torch.eye(24))
        >>> optimizer = Muon([{"params": [weight], "orthogonal": True, "lr": 0.1, "weight_decay": 0.0}])
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> bool((weight < torch.eye(24)).all())
        True
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float = 1e-3, fused: bool = False) -> None:
        super().__init__([{"orthogonal": False, **group} for group in groups], lr=lr, betas=BETAS, fused=fused)

    def step(self, closure: Any = None) -> Any:
        """Does one step; gradients of the orthogonal groups are used up by it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["orthogonal"]:
                self._orthogonal_step(group)
        super().step()
        return loss

    @torch.no_grad()
    def _orthogonal_step(self, group: dict[str, Any]) -> None:
        """Steps along the group's orthogonalised momentum; without gradients the rest of AdamW passes it over."""
        alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:  # under Adam's names, since Adam reads them when a state is loaded
                state["step"], state["exp_avg"] = torch.tensor(0.0), torch.zeros_like(weight)
            state["step"] += 1
            state["exp_avg"].lerp_(weight.grad, 1 - MOMENTUM)
            ahead = weight.grad.lerp(state["exp_avg"], MOMENTUM)  # Nesterov's
            matrix = ahead.flatten(1)
            alike.setdefault(matrix.shape, []).append((weight, matrix))
            weight.grad = None
        for shape, members in alike.items():
            steps = orthogonalised(torch.stack([matrix for _, matrix in members]))
            rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
            for (weight, _), step in zip(members, steps, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(step.reshape(weight.shape), alpha=-rate)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Brings all singular values of matrices (N, rows, columns) near 1 by a Newton-Schulz iteration.

    Example:
        >>> spectrum = torch.linalg.svdvals(orthogonalised(torch.randn(1, 32, 64)))
        >>> bool((0.5 < spectrum).all() and (spectrum < 1.5).all())
        True
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.square().sum((-2, -1), keepdim=True).sqrt() + 1e-7)
    for _ in range(ITERATIONS):
        square = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, polynomial, x, beta=3.4445)
    return x.mT if tall else x


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Builds the optimiser of a configuration; each group keeps its full rate as `peak_lr`, for the schedule.

    Args:
        model: what is trained.
        config: names the optimiser and its rates.
    """
    rate, hidden_rate, decay = config.learning_rate, config.hidden_learning_rate, config.weight_decay
    layers, others = decay_groups(model, decay)
    hidden = [weight for weight in layers["params"] if config.optimizer == "muon" and _is_hidden(weight)]
    layers["params"] = [weight for weight in layers["params"] if all(weight is not member for member in hidden)]
    groups = [{**group, "lr": rate, "peak_lr": rate} for group in (layers, others)]
    if not hidden:
        return torch.optim.AdamW(groups, betas=BETAS, fused=True)
    orthogonal = {"lr": hidden_rate, "peak_lr": hidden_rate, "weight_decay": decay, "orthogonal": True}
    return Muon([*groups, {"params": hidden, **orthogonal}], fused=True)


def decay_groups(module: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Groups what is trained by its weight decay: the weights of layers, and all else.

    Biases, offsets and the parameters of distributions are left alone: what places a distribution is not drawn to 0.

    Args:
        module: whose parameters.
        decay: of layers.

    Example:
        >>> [(len(group["params"]), group["weight_decay"]) for group in decay_groups(nn.Linear(2, 3), 0.1)]
        [(1, 0.1), (1, 0.0)]
    """
    named = [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
    layers = [weight for name, weight in named if _is_layer(name, weight)]
    others = [weight for name, weight in named if not _is_layer(name, weight)]
    return [{"params": layers, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _is_layer(name: str, weight: Tensor) -> bool:
    return name.rpartition(".")[2].startswith("weight") and weight.dim() >= 2


def _is_hidden(weight: Tensor) -> bool:
    sides = (weight.shape[0], weight[0].numel())
    return min(sides) >= SMALLEST_SIDE and min(sides) <= LARGEST_SIDE
