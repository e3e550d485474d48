from __future__ import annotations

import pytest
import torch

from latentia.nets.conjugate import solve


def systems(n: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    roots = torch.randn(n, size, size, generator=generator)
    return roots @ roots.mT + torch.eye(size), torch.randn(n, size, generator=generator)


def found(matrices: torch.Tensor, pull: torch.Tensor, steps: int, nearly: torch.Tensor | float = 1.0) -> torch.Tensor:
    return solve(pull, lambda x: (matrices @ x[..., None])[..., 0], lambda x: x * nearly, steps, (1,))


def test_as_many_steps_as_there_are_numbers_solve_it() -> None:
    matrices, pull = systems(20, 5)
    assert found(matrices, pull, 5) == pytest.approx(torch.linalg.solve(matrices, pull), abs=1e-3)


def test_what_is_near_to_the_inverse_saves_steps() -> None:
    matrices, pull = systems(20, 12)
    matrices = matrices + torch.logspace(0, 3, 12).diag()
    exact = torch.linalg.solve(matrices, pull)
    errors = [(found(matrices, pull, 3, way) - exact).norm() for way in (1.0, 1 / matrices.diagonal(dim1=1, dim2=2))]
    assert errors[1] < 0.3 * errors[0]


def test_more_steps_than_it_takes_and_nothing_to_solve_do_no_harm() -> None:
    matrices, pull = systems(4, 3)
    pull[2] = 0
    many = found(matrices, pull, 50)
    assert many == pytest.approx(torch.linalg.solve(matrices, pull), abs=1e-3)
    assert not many[2].any()
