"""A prior that is a learned mixture of normal distributions."""

from __future__ import annotations

from typing import Literal, cast

import torch
from sklearn.cluster import MiniBatchKMeans  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions.base import PRIORS, LazyPrior
from latentia.distributions.mixture import CorrelatedMixture, NormalMixture, lower_inverse
from latentia.errors import OptionError

LEAST_SCALE = 1e-6
MOST_WEIGHTS = 2**28
LEAST_OF_A_CLUSTER = 4  # latents, on average
AT_ONCE = 4096  # latents in a step of k-means


@PRIORS.register("mixture")
class MixtureOfGaussians(LazyPrior):
    """A learned mixture of normal distributions.

    The rate has no closed form under it and is estimated from the posterior's samples. Learned with a model it starts
    as the standard normal prior, in a second stage close to the latents: with full covariances at clusters of k-means.

    Args:
        latent_dim: size of the latents.
        components: number of components.
        covariance: of each component: "diagonal" (its dimensions are independent) or "full", which takes fewer
            components for latents that depend on each other, and `latent_dim` times the weights and the time of each.

    Raises:
        OptionError: no components, another covariance, or more than 2^28 weights.

    Example:
        >>> MixtureOfGaussians(2, components=3)().sample((5,)).shape
        torch.Size([5, 2])
        >>> MixtureOfGaussians(2, components=3, covariance="full")().log_prob(torch.zeros(4, 2)).shape
        torch.Size([4])
    """

    def __init__(
        self, latent_dim: int, components: int = 64, covariance: Literal["diagonal", "full"] = "diagonal"
    ) -> None:
        super().__init__()
        if components < 1:
            raise OptionError(f"A mixture needs at least 1 component, not {components}.")
        if covariance not in ("diagonal", "full"):
            raise OptionError(f"The covariance of a mixture is 'diagonal' or 'full', not '{covariance}'.")
        if components * latent_dim ** (2 if covariance == "full" else 1) > MOST_WEIGHTS:
            raise OptionError(
                f"A mixture of {components} components with {covariance} covariances has more than {MOST_WEIGHTS} "
                f"weights for {latent_dim} latents; take fewer components."
            )
        self.latent_dim = latent_dim
        self.components = components
        self.covariance = covariance
        self.logits = nn.Parameter(torch.zeros(components))
        # Means spread as the standard normal: together the components start close to it.
        self.mean = nn.Parameter(torch.randn(components, latent_dim) * 0.7)
        # Of what each dimension adds to those before it; where dimensions are independent, that is its own scale.
        self.log_scale = nn.Parameter(torch.full((components, latent_dim), -0.35))
        if covariance == "full":
            self.mixing = nn.Parameter(torch.zeros(components, latent_dim, latent_dim))

    @torch.no_grad()
    def start_near(self, latents: Tensor) -> None:
        if self.covariance == "full":
            self._start_at_clusters(latents)
        else:
            self._start_as_kernels(latents)

    def _start_as_kernels(self, latents: Tensor) -> None:
        """Puts components at random ones of the latents, as wide as a kernel estimate (Scott, 1992) would have them."""
        self.logits.zero_()
        self.mean.copy_(latents[torch.randint(len(latents), (self.components,))])
        width = self.components ** (-1 / (self.latent_dim + 4))
        self.log_scale.copy_((width * latents.std(0, correction=0)).clamp_min(LEAST_SCALE).log().expand_as(self.mean))

    def _start_at_clusters(self, latents: Tensor) -> None:
        """Puts components where k-means finds clusters, with the covariances of these.

        Where there are more components than clusters, the others start at random ones of the latents.
        """
        count = max(1, min(self.components, len(latents) // LEAST_OF_A_CLUSTER))
        seed = int(torch.randint(2**31 - 1, ()))
        found = MiniBatchKMeans(count, batch_size=AT_ONCE, random_state=seed).fit(
            latents.detach().float().cpu().numpy()
        )
        centres = torch.from_numpy(found.cluster_centers_).to(latents)
        of_cluster = torch.from_numpy(found.labels_).long().to(latents.device)
        sizes = torch.bincount(of_cluster, minlength=count)
        whitening = _whitenings(latents - centres[of_cluster], of_cluster, sizes)
        others = torch.randint(len(latents), (self.components - count,))
        like = torch.cat([torch.arange(count, device=latents.device), of_cluster[others]])
        diagonal = whitening.diagonal(dim1=1, dim2=2)
        self.logits.copy_((sizes / torch.bincount(like)).clamp_min(0.5).log()[like])
        self.mean.copy_(torch.cat([centres, latents[others]]))
        self.log_scale.copy_(-diagonal.log()[like])
        self.mixing.copy_((whitening / diagonal[..., None])[like])

    def forward(self) -> Distribution:
        if self.covariance == "diagonal":
            return NormalMixture(self.logits, self.mean, self.log_scale.exp())
        one = torch.eye(self.latent_dim, device=self.mean.device)
        whitening = (self.mixing.tril(-1) + one) * (-self.log_scale).exp()[..., None]
        return CorrelatedMixture(self.logits, self.mean, whitening)


def _whitenings(deviations: Tensor, of_cluster: Tensor, sizes: Tensor) -> Tensor:
    """Returns the inverse Cholesky factors of the covariances of clusters, shape (C, D, D).

    Each is drawn towards that of all clusters together, as if `D` more latents had been seen that vary so, and that one
    in the same way towards independent dimensions: few latents do not tell a covariance.
    """
    size = deviations.shape[1]

    def moments(x: Tensor) -> Tensor:
        return (x.double().mT @ x.double()).cpu()

    pooled = moments(deviations) / len(deviations)
    pooled = (len(deviations) * pooled + size * pooled.diagonal().diag()) / (len(deviations) + size)
    # So much that the least scale is left when few latents of a cluster are mixed with it.
    pooled += LEAST_SCALE**2 * (1 + len(deviations) / size) * torch.eye(size, dtype=pooled.dtype)
    parts = cast(tuple[Tensor, ...], deviations[of_cluster.argsort()].split(sizes.tolist()))
    shrunk = [(moments(part) + size * pooled) / (len(part) + size) for part in parts]
    return lower_inverse(cast(Tensor, torch.linalg.cholesky(torch.stack(shrunk)))).to(deviations)
