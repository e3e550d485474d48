from __future__ import annotations

import copy

import torch
from torch import nn

from latentia.config import TrainingConfig
from latentia.training.optimizer import Muon, build_optimizer, orthogonalised


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(24, 32, 3, padding=1), nn.Flatten(), nn.Linear(512, 300), nn.Linear(300, 2))


def take_steps(model: nn.Module, config: TrainingConfig, steps: int) -> tuple[torch.optim.Optimizer, list[float]]:
    optimizer = build_optimizer(model, config)
    x, y = torch.randn(16, 24, 4, 4), torch.randn(16, 2)
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return optimizer, losses


def test_singular_values_come_near_one_whatever_the_shape() -> None:
    torch.manual_seed(0)
    for shape in ((3, 24, 216), (2, 128, 40), (1, 64, 64)):
        matrices = torch.randn(*shape) * torch.logspace(-2, 2, shape[-1])
        spectrum = torch.linalg.svdvals(orthogonalised(matrices))
        assert orthogonalised(matrices).shape == shape
        assert 0.3 < spectrum.median().item() < 1.3
        assert spectrum.max().item() < 1.3


def test_muon_takes_hidden_layers_and_leaves_the_rest_to_adam() -> None:
    model = network()
    groups = build_optimizer(model, TrainingConfig(optimizer="muon")).param_groups
    orthogonal = [weight for group in groups if group["orthogonal"] for weight in group["params"]]
    assert [weight is model[0].weight for weight in orthogonal] == [True]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert groups[1]["weight_decay"] == 0.0
    assert all(weight.dim() == 1 for weight in groups[1]["params"])


def test_adamw_has_no_orthogonal_group() -> None:
    optimizer = build_optimizer(network(), TrainingConfig(optimizer="adamw"))
    assert type(optimizer) is torch.optim.AdamW
    assert len(optimizer.param_groups) == 2


def test_muon_steps_are_of_the_size_of_its_rate() -> None:
    weight = nn.Parameter(torch.zeros(32, 24, 3, 3))
    optimizer = Muon([{"params": [weight], "orthogonal": True, "lr": 0.5, "weight_decay": 0.0}])
    (weight * torch.randn_like(weight) * 1e-4).sum().backward()
    optimizer.step()
    norm = torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item()
    assert 0.3 < norm < 0.65  # of one singular value: 0.5, whatever the size of the gradient


def test_muon_learns_and_goes_on_from_a_saved_state() -> None:
    config = TrainingConfig(optimizer="muon")
    model, again = network(), network()
    optimizer, losses = take_steps(model, config, 20)
    assert losses[-1] < 0.2 * losses[0]
    again.load_state_dict(model.state_dict())
    resumed = build_optimizer(again, config)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    x = torch.randn(16, 24, 4, 4)
    for one, other in ((model, optimizer), (again, resumed)):
        other.zero_grad()
        one(x).square().mean().backward()
        other.step()
    for left, right in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(left, right)
