from __future__ import annotations

import pytest
import torch

from latentia.core import Batch
from latentia.data import PictureChanges, perturb_pictures


def pictures(n: int = 200) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 12, 10), generator=torch.Generator().manual_seed(0)) / 255


def changed(changes: PictureChanges, observed: torch.Tensor | None = None) -> Batch:
    torch.manual_seed(0)
    return perturb_pictures(Batch(pictures(), observed), changes)


def test_no_changes_leave_a_batch_as_it_is() -> None:
    batch = Batch(pictures())
    assert perturb_pictures(batch, PictureChanges()) is batch


def test_half_of_the_pictures_are_mirrored_with_their_holes() -> None:
    observed = torch.rand(200, 1, 12, 10, generator=torch.Generator().manual_seed(1)) < 0.7
    result = changed(PictureChanges(mirror=True), observed)
    same = (result.x == pictures()).flatten(1).all(1)
    assert 60 < same.sum() < 140
    assert torch.equal(result.x[~same].flip(3), pictures()[~same])
    assert torch.equal(result.observed[~same].flip(3), observed[~same])
    assert torch.equal(result.observed[same], observed[same])


def test_shifted_pictures_are_unobserved_where_they_left_bare() -> None:
    observed = torch.rand(200, 1, 12, 10, generator=torch.Generator().manual_seed(1)) < 0.7
    result = changed(PictureChanges(shift=0.2), observed)
    seen = set()
    for number in range(200):
        fitting = [
            (down, across)
            for down in range(-2, 3)
            for across in range(-2, 3)
            if torch.equal(
                torch.where(result.observed[number], result.x[number], 0.0),
                expected(pictures()[number], observed[number], down, across),
            )
        ]
        assert len(fitting) == 1
        seen.add(fitting[0])
    assert len(seen) == 25


def expected(x: torch.Tensor, observed: torch.Tensor, down: int, across: int) -> torch.Tensor:
    """A picture moved pixel by pixel."""
    moved = torch.zeros_like(x)
    for row in range(12):
        for column in range(10):
            if 0 <= row - down < 12 and 0 <= column - across < 10 and observed[0, row - down, column - across]:
                moved[:, row, column] = x[:, row - down, column - across]
    return moved


def smooth_pictures(side: int = 33) -> torch.Tensor:
    """A soft spot right of the middle."""
    down, across = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    return torch.exp(-(down**2 + (across - 0.5) ** 2) / 0.05).expand(300, 1, side, side)


def spots(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns distances of spots from the middle, in half sides, and their angles, degrees."""
    line = torch.linspace(-1, 1, x.shape[-1])
    mass = x.sum((1, 2, 3))
    down, across = (x * line.view(-1, 1)).sum((1, 2, 3)) / mass, (x * line).sum((1, 2, 3)) / mass
    return (down**2 + across**2).sqrt(), torch.rad2deg(torch.atan2(down, across))


def test_turned_and_zoomed_pictures_move_about_their_middle() -> None:
    torch.manual_seed(0)
    turned = perturb_pictures(Batch(smooth_pictures()), PictureChanges(turn=30))
    distance, angle = spots(turned.x)
    assert distance == pytest.approx(torch.full((300,), 0.5), abs=0.02)
    assert angle.abs().max() == pytest.approx(30, abs=1)
    assert angle.std() == pytest.approx(30 / 3**0.5, rel=0.15)
    zoomed = perturb_pictures(Batch(smooth_pictures()), PictureChanges(zoom=0.25))
    distance, angle = spots(zoomed.x)
    assert angle.abs().max() < 1
    assert (distance.min(), distance.max()) == (pytest.approx(0.5 / 1.25, abs=0.01), pytest.approx(0.625, abs=0.02))


def test_what_a_turned_picture_leaves_bare_or_has_of_a_hole_is_unobserved() -> None:
    x, observed = smooth_pictures().clone(), torch.ones(300, 1, 33, 33).bool()
    observed[:, :, 12:18, 12:18] = False
    x[:, :, 12:18, 12:18] = torch.nan
    torch.manual_seed(0)
    result = perturb_pictures(Batch(x, observed), PictureChanges(turn=40, zoom=0.1))
    assert result.x.isfinite().all()
    torch.manual_seed(0)
    whole = perturb_pictures(Batch(smooth_pictures()), PictureChanges(turn=40, zoom=0.1))
    both = result.observed & whole.observed
    assert torch.equal(result.observed, both)
    assert (result.x - whole.x)[both].abs().max() < 1e-6
    assert 36 <= (whole.observed & ~result.observed).sum((1, 2, 3)).float().mean() < 90
    assert (~whole.observed).any((1, 2, 3)).float().mean() > 0.9


def test_light_changes_within_bounds_and_stays_on_the_levels() -> None:
    result = changed(PictureChanges(contrast=0.3))
    assert ((result.x * 255).round() / 255 - result.x).abs().max() < 1e-6
    inner = pictures().sub(0.5).abs() < 0.2
    assert (result.x - pictures())[inner].abs().max() <= 0.3 * 0.2 + 0.15 + 1e-2
    means = result.x.flatten(1).mean(1)
    assert means.std() > 3 * pictures().flatten(1).mean(1).std()


def test_changes_are_functions_of_torchs_noise() -> None:
    changes = PictureChanges(mirror=True, shift=0.1, zoom=0.1, turn=9, contrast=0.2)
    assert torch.equal(changed(changes).x, changed(changes).x)
    torch.manual_seed(1)
    assert not torch.equal(perturb_pictures(Batch(pictures()), changes).x, changed(changes).x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_does_not_matter(layout: torch.memory_format) -> None:
    changes = PictureChanges(mirror=True, shift=0.1, zoom=0.1, turn=9, contrast=0.2)
    torch.manual_seed(0)
    result = perturb_pictures(Batch(pictures().contiguous(memory_format=layout)), changes)
    assert torch.equal(result.x, changed(changes).x)


@pytest.mark.parametrize("hidden", [False, True])
def test_pictures_are_changed_on_the_device_where_they_are(hidden: bool) -> None:
    x = torch.zeros(3, 1, 8, 8, device="meta")  # it refuses tensors of other devices, as a GPU does
    batch = Batch(x, observed=torch.ones_like(x, dtype=torch.bool) if hidden else None)
    changes = PictureChanges(mirror=True, shift=0.1, zoom=0.1, turn=5.0, contrast=0.2)
    result = perturb_pictures(batch, changes)
    assert result.x.device == x.device
    assert result.observed is not None
    assert result.observed.device == x.device
