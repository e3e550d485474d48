"""A start from principal components: the best linear model, from which networks go on.

Of all VAEs whose networks are linear the best is a probabilistic principal component analysis (Tipping and Bishop,
1999, Journal of the Royal Statistical Society B 61; Lucas et al., 2019, arXiv:1911.02469). It is known in closed form,
while gradient descent takes thousands of steps to find it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from latentia.nets.axes import principal_axes

LEAST_SHARE = 0.05  # a latent that says nothing, to a decoder that does not listen, would never start


@dataclass(frozen=True)
class LinearStart:
    """A linear Gaussian code of L latents for K features, which are linear functions of D values.

    Attributes:
        weight: features to posterior means, shape (L, K).
        scale: posterior standard deviations, shape (L,).
        axes: latents to values, shape (L, D).
        level: variance of a value that is left over.
    """

    weight: Tensor
    scale: Tensor
    axes: Tensor
    level: Tensor


def linear_start(features: Tensor, axes: Tensor, latent_dim: int, level: Tensor | None = None) -> LinearStart:
    """Returns the code of the values that features stand for.

    Args:
        features: of examples, shape (N, K).
        axes: features to values, shape (K, D).
        latent_dim: number of latents, L.
        level: variance that may be left over of a value; that which the principal components behind the first L have
            on average if None.

    Example:
        >>> import torch
        >>> x = torch.randn(1000, 3) * torch.tensor([5.0, 3.0, 0.1])
        >>> code = linear_start(x, torch.eye(3), latent_dim=2)
        >>> bool((x - x @ code.weight.T @ code.axes).square().mean() < 0.02)
        True
    """
    variances, directions = principal_axes(features @ axes)
    rest = variances[latent_dim:]
    if level is None:
        level = rest.mean() if len(rest) else variances[-1]
    level = level.clamp_min(1e-6 * variances[0] + 1e-12)
    count = min(latent_dim, len(variances))
    variances, directions = variances[:count].clamp_min(level), directions[:count]
    share = (1 - level / variances).clamp_min(LEAST_SHARE)
    weight, scale = features.new_zeros(latent_dim, len(axes)), features.new_ones(latent_dim)
    weight[:count] = (share / variances).sqrt()[:, None] * (directions @ axes.T)
    scale[:count] = (1 - share).sqrt()
    made = axes.new_zeros(latent_dim, axes.shape[1])
    made[:count] = (share * variances).sqrt()[:, None] * directions
    return LinearStart(weight, scale, made, level)
