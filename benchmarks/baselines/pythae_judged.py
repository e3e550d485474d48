"""Pythae's trained models seen as ours, each in the way that is best for it on held-out pictures."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from benchmarks import bounds
from benchmarks.baselines.pythae_vae import PythaeVAE
from latentia.core import Batch, Latents, Likelihood
from latentia.distributions import DiscretisedGaussian, NormalMixture
from latentia.distributions.base import diagonal_normal

with contextlib.redirect_stderr(io.StringIO()):
    from pythae.models import VAE, VAMP

WIDTHS = (1.0, 0.5, 0.25, 0.125, 0.0625)
Model = TypeVar("Model", bound=PythaeVAE)
PROBED, DRAWS = 30, 10  # pictures and importance samples by which what is best is found


class PythaeVAMP(PythaeVAE):
    """Pythae's VAMP seen as one of our models: its prior is the mixture of the posteriors of its pseudo-inputs.

    Args:
        vae: Pythae's.
        components: what its encoder says of the pseudo-inputs; None means as Pythae itself evaluates.
    """

    def __init__(self, vae: VAE, components: Any = None) -> None:
        super().__init__(vae)
        with torch.no_grad():
            output = vae.encoder(_pseudo_inputs(vae)) if components is None else components
        scale = (0.5 * output.log_covariance).exp()
        self.components = NormalMixture(torch.zeros(len(scale)), output.embedding, scale)

    def code_prior(self) -> Distribution:
        return self.components


def _pseudo_inputs(vae: VAE) -> Tensor:
    return vae.pseudo_inputs(vae.idle_input).reshape(-1, *vae.model_config.input_dim)


def best_judged(vae: VAE, held_out: Tensor) -> PythaeVAE:
    """Returns one of its binary models, its batch normalisation such as is best on held-out pictures.

    What that keeps for evaluation lags behind weights that change fast, and in VAMP, whose encoder sees pictures and
    pseudo-inputs by turns, is of both mixed. Where it suits neither (of VAMP by hundreds of nats), statistics are taken
    anew: of held-out pictures, and of their codes, as one batch each, as in training; and so of pseudo-inputs.
    """
    kept = PythaeVAMP(vae) if isinstance(vae, VAMP) else PythaeVAE(vae)
    if not _normalises(vae):
        return kept
    renewed, components = _renewed(vae, held_out)
    return _best((kept, PythaeVAE(renewed) if components is None else PythaeVAMP(renewed, components)), held_out)


def grey_judged(vae: VAE, held_out: Tensor) -> PythaeGrey:
    """Returns its VAE of 8-bit pictures, its batch normalisation likewise."""
    kept = PythaeGrey(vae, held_out)
    if not _normalises(vae):
        return kept
    return _best((kept, PythaeGrey(_renewed(vae, held_out)[0], held_out)), held_out)


def _best(models: tuple[Model, Model], held_out: Tensor) -> Model:
    return min(models, key=lambda model: bounds.importance_nll(model, held_out[:PROBED], DRAWS))


def _normalises(vae: VAE) -> bool:
    return any(isinstance(layer, nn.BatchNorm2d) for layer in vae.modules())


@torch.no_grad()
def _renewed(vae: VAE, held_out: Tensor) -> tuple[VAE, Any]:
    """Returns a copy that normalises by the statistics of held-out pictures and their codes, and VAMP's components."""
    vae = copy.deepcopy(vae)
    components = _in_one_batch(vae.encoder, _pseudo_inputs(vae)) if isinstance(vae, VAMP) else None
    output = _in_one_batch(vae.encoder, held_out)
    noise = torch.randn(output.embedding.shape, generator=torch.Generator().manual_seed(bounds.EVALUATION_SEED))
    _in_one_batch(vae.decoder, output.embedding + (0.5 * output.log_covariance).exp() * noise)
    return vae, components


def _in_one_batch(network: nn.Module, x: Tensor) -> Any:
    """Returns what a network in training makes of a batch, and leaves it normalising by the statistics of that."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # all that it sees counts alike
    output = network.train()(x)
    network.eval()
    return output


class PythaeGrey(PythaeVAE):
    """Pythae's VAE of 8-bit pictures, scored on the grid of 256 levels.

    Its squared error is that of a normal distribution of scale 1, which would score worse than no model, and its cross
    entropy is no likelihood of grey levels at all; its means are given the scale that their own errors have on held-out
    pictures. Its posteriors were not learned for that, and may be too wide; any distribution may propose importance
    samples, so these are as wide, as a share of what it learned, as gives the best bound on held-out pictures.

    Args:
        vae: Pythae's.
        held_out: pictures on which scale and width are chosen, floats (N, C, H, W).
    """

    def __init__(self, vae: VAE, held_out: Tensor) -> None:
        super().__init__(vae)
        self.likelihood = DiscretisedGaussian()
        self.width = 1.0
        few = held_out[:PROBED]
        self._take(min(WIDTHS, key=lambda width: self._nats(width, few)), held_out)

    def posterior_of(self, batch: Batch) -> Distribution:
        output = self.vae.encoder(batch.x)
        return diagonal_normal(output.embedding, self.width * (0.5 * output.log_covariance).exp())

    def decode(self, latents: Latents) -> Likelihood:
        z = latents.code
        mean = self.vae.decoder(z.flatten(0, 1)).reconstruction
        return self.likelihood(self.likelihood.centre(mean).unflatten(0, z.shape[:2]))

    def _nats(self, width: float, x: Tensor) -> float:
        self._take(width, x)
        return bounds.importance_nll(self, x, DRAWS)

    @torch.inference_mode()
    def _take(self, width: float, x: Tensor) -> None:
        self.width = width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(bounds.EVALUATION_SEED)
            errors = [self._squared_error(part) for part in x.split(100)]
        self.likelihood.start_at_error(torch.cat(errors).mean())

    def _squared_error(self, x: Tensor) -> Tensor:
        z = self.posterior_of(Batch(x)).sample()
        return (self.vae.decoder(z).reconstruction - x).square().flatten(1).mean(1)
