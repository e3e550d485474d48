from __future__ import annotations

import math

import pytest
import torch

from latentia.nets import smooth_fill

HALF = torch.full((1, 24, 24), 0.5)


def scattered(missing: float, n: int = 3) -> torch.Tensor:
    return torch.rand(n, 1, 24, 24, generator=torch.Generator().manual_seed(0)) >= missing


def waves(n: int = 3) -> torch.Tensor:
    """Pictures as smooth as photographs are between their edges."""
    down, across = torch.meshgrid(torch.linspace(0, 3, 24), torch.linspace(0, 3, 24), indexing="ij")
    phases = torch.arange(float(n)).view(n, 1, 1, 1)
    return 0.5 + 0.4 * torch.sin(down + phases) * torch.cos(across - phases)


def test_planes_are_continued_exactly() -> None:
    """They do not bend at all."""
    down, across = torch.meshgrid(torch.linspace(0, 0.6, 24), torch.linspace(0, 0.3, 24), indexing="ij")
    plane = (0.05 + down + across)[None, None]
    given = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0)) >= 0.5
    given[..., [0, 1, -2, -1], :] = True  # the edges of a picture count as flat
    given[..., [0, 1, -2, -1]] = True
    assert smooth_fill(plane, given, HALF, steps=200) == pytest.approx(plane, abs=2e-3)


def test_the_surface_that_bends_least() -> None:
    """Against the linear equations of the biharmonic surface, solved directly."""
    x, given = waves(1), scattered(0.6, 1)
    unit = torch.eye(24 * 24).reshape(-1, 1, 24, 24)

    def laplacian(values: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(values, (1, 1, 1, 1), mode="replicate")
        kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
        return torch.nn.functional.conv2d(padded, kernel[None, None])

    bending = laplacian(laplacian(unit)).flatten(1).T.double()
    hidden, known = ~given.flatten(), given.flatten()
    right = -bending[hidden][:, known] @ (x.flatten()[known].double() - 0.5)
    expected = 0.5 + torch.linalg.solve(bending[hidden][:, hidden], right)
    assert smooth_fill(x, given, HALF, steps=300).flatten()[hidden] == pytest.approx(expected.float(), abs=1e-3)


@pytest.mark.parametrize("missing", [0.5, 0.8])
def test_few_steps_come_close_where_gaps_are_small(missing: float) -> None:
    x, given = waves(), scattered(missing)
    error = (smooth_fill(x, given, HALF) - x).square().mean().sqrt()
    flat = (x.mean((2, 3), keepdim=True) - x)[~given.expand_as(x)].square().mean().sqrt()
    assert error < 0.15 * flat


def test_what_is_given_stays_and_what_is_not_does_not_matter() -> None:
    x, given = waves(), scattered(0.7)
    filled = smooth_fill(torch.where(given, x, math.nan), given, HALF)
    assert torch.equal(filled, smooth_fill(torch.where(given, x, 0.0), given, HALF))
    assert torch.allclose(filled[given], x[given], atol=1e-6)
    assert torch.isfinite(filled).all()


def test_nothing_given_is_the_middle() -> None:
    middle = waves(1)[0]
    nothing = torch.zeros(2, 1, 24, 24, dtype=torch.bool)
    assert torch.allclose(smooth_fill(torch.rand(2, 1, 24, 24), nothing, middle), middle.expand(2, -1, -1, -1))


def test_each_picture_is_filled_by_itself() -> None:
    x, given = waves(), scattered(0.8)
    alone = smooth_fill(x[1:2], given[1:2], HALF)
    assert torch.allclose(smooth_fill(x, given, HALF)[1:2], alone, atol=1e-5)
