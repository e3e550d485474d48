"""The gradient of the importance-weighted bound: doubly reparameterised, it has the plain one's expectation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import OneHotCategorical, OneHotCategoricalStraightThrough

from latentia.config import ModelConfig, Part
from latentia.core import Batch, Inference, LatentGroup
from latentia.distributions import Gaussian
from latentia.distributions.base import diagonal_normal
from latentia.errors import OptionError
from latentia.models import MODELS, build_model
from latentia.objectives import Iwae

N = 20_000
NOISE = 0.5
X = Batch(torch.full((N, 1), 0.7, dtype=torch.float64))


def likelihood() -> Gaussian:
    return Gaussian(initial_scale=NOISE - 1e-3).double()


def repeated(**values: float) -> dict[str, Tensor]:
    """Parameters of which each of many equal examples has its own, so that one pass gives as many gradients."""
    return {name: torch.full((N, 1), value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}


def single(p: dict[str, Tensor], k: int) -> Inference:
    """z with the prior N(0, 1), x = decoder * z + noise."""
    posterior = diagonal_normal(p["mean"], p["log_scale"].exp())
    z = posterior.rsample((k,))
    group = LatentGroup("z", posterior, diagonal_normal(torch.zeros_like(p["mean"]), torch.ones_like(p["mean"])), z)
    return Inference((group,), likelihood()(p["decoder"] * z))


def chain(p: dict[str, Tensor], k: int) -> Inference:
    """Two groups; posterior and prior of the second depend on the draw of the first, as do the data."""
    first = diagonal_normal(p["mean"], p["log_scale"].exp())
    one = first.rsample((k,))
    second = diagonal_normal(p["slope"] * one + p["shift"], (p["log_scale_2"] + 0.3 * one).exp())
    two = second.rsample()
    ones = torch.ones_like(p["mean"])
    groups = (
        LatentGroup("one", first, diagonal_normal(0 * ones, ones), one),
        LatentGroup("two", second, diagonal_normal(0.5 * one, ones), two),
    )
    return Inference(groups, likelihood()(p["decoder"] * (one + two)))


DENSE = Part(name="dense", width=4)
RECURRENT = Part(name="conv-gru", width=4, blocks=1, stride=2)
NETWORKS = {
    "sequence": (RECURRENT, RECURRENT),
    "masked": (DENSE, Part(name="unet", widths=(4, 4), blocks=(1, 1), dense=4)),
    "ladder": (
        Part(name="residual", widths=(4, 4), blocks=(1, 1), neck=2),
        Part(name="residual", widths=(4, 4), blocks=(1, 1), groups=(1, 0), latents=(1, 1)),
    ),
}
SINGLE = {"mean": 0.1, "log_scale": -0.2, "decoder": 1.3}
CHAIN = {**SINGLE, "slope": 0.8, "shift": -0.2, "log_scale_2": -0.5}
CASES = [(single, SINGLE), (chain, CHAIN)]


def gradients(
    infer: Callable[[dict[str, Tensor], int], Inference],
    start: dict[str, float],
    objective: Iwae,
    k: int,
    step: int | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Returns the gradients of each example's parameters, and the losses."""
    torch.manual_seed(0)
    parameters = repeated(**start)
    terms = objective(infer(parameters, k), X, step)
    terms.loss.sum().backward()
    return {name: value.grad[:, 0] for name, value in parameters.items() if value.grad is not None}, terms.loss.detach()


@pytest.mark.parametrize("k", [1, 2, 8])
@pytest.mark.parametrize("step", [None, 30])
@pytest.mark.parametrize(("infer", "start"), CASES, ids=["single", "chain"])
def test_expectation_is_the_plain_one(
    infer: Callable[..., Inference], start: dict[str, float], k: int, step: int
) -> None:
    plain, loss = gradients(infer, start, Iwae(k, warmup_steps=100, gradient="plain"), k, step)
    double, same_loss = gradients(infer, start, Iwae(k, warmup_steps=100), k, step)
    assert torch.equal(loss, same_loss)
    assert torch.equal(plain.pop("decoder"), double.pop("decoder"))
    assert plain.keys() == double.keys()
    for name, wanted in plain.items():
        error = math.sqrt(float((wanted.var() + double[name].var()) / N))
        assert abs(float(wanted.mean() - double[name].mean())) < 4.5 * error, name


@pytest.mark.parametrize(("infer", "start"), CASES, ids=["single", "chain"])
def test_it_varies_less_and_keeps_its_signal_with_more_samples(
    infer: Callable[..., Inference], start: dict[str, float]
) -> None:
    """With a group behind it that keeps the plain gradient, some of that is inherited."""

    def noise(gradient: str, k: int) -> float:
        found = gradients(infer, start, Iwae(k, gradient=gradient), k)[0]["mean"]  # type: ignore[arg-type]
        return float(found.std() / found.mean().abs())

    assert noise("doubly-reparameterised", 8) < (0.5 if infer is single else 0.8) * noise("plain", 8)
    if infer is single:
        assert noise("plain", 64) > 1.5 * noise("plain", 4)  # the plain one drowns
        assert noise("doubly-reparameterised", 64) < 1.2 * noise("doubly-reparameterised", 4)


@pytest.mark.parametrize("k", [1, 5])
def test_at_the_exact_posterior_it_is_zero_for_every_draw(k: int) -> None:
    """All importance weights are then equal, so there is nothing to gain; the plain one is zero on average only."""
    variance = 1 / (1 + SINGLE["decoder"] ** 2 / NOISE**2)
    exact = {**SINGLE, "mean": variance * SINGLE["decoder"] * 0.7 / NOISE**2, "log_scale": 0.5 * math.log(variance)}
    double = gradients(single, exact, Iwae(k), k)[0]
    plain = gradients(single, exact, Iwae(k, gradient="plain"), k)[0]
    for name in ("mean", "log_scale"):
        assert float(double[name].abs().max()) < 1e-4
        assert float(plain[name].abs().max()) > 0.1


@pytest.mark.parametrize("gradient", ["plain", "doubly-reparameterised"])
@pytest.mark.parametrize("k", [1, 2, 8])
def test_odds_of_classes_that_tell_nothing_go_to_those_of_the_prior(gradient: str, k: int) -> None:
    """Where the data say nothing of the class, the bound is tight if, and only if, q(y|x) is p(y)."""
    prior = OneHotCategorical(probs=torch.tensor([0.5, 0.5], dtype=torch.float64))
    for more, direction in ((1.0, 1), (0.0, 0), (-1.0, -1)):
        odds = torch.tensor([more, 0.0], dtype=torch.float64).repeat(N, 1).requires_grad_()
        posterior = OneHotCategoricalStraightThrough(logits=odds)
        torch.manual_seed(0)
        group = LatentGroup("y", posterior, prior, posterior.rsample((k,)))
        inference = Inference((group,), likelihood()(torch.zeros(k, N, 1, dtype=torch.float64)))
        Iwae(k, gradient=gradient)(inference, X).loss.sum().backward()  # type: ignore[arg-type]
        divergence = torch.distributions.kl_divergence(OneHotCategorical(logits=odds), prior)
        exact = torch.autograd.grad(divergence.sum(), odds)[0]
        assert odds.grad == pytest.approx(exact)
        assert (odds.grad[:, 0].sign() == direction).all()


@pytest.mark.parametrize("kind", list(MODELS))
def test_expectation_in_every_kind_of_model(kind: str) -> None:
    """Over many draws no weight of a tiny model has another mean gradient, and the decoder's are equal."""
    encoder, decoder = NETWORKS.get(kind, (DENSE, DENSE))
    shape = (1, 4, 4) if kind in ("masked", "ladder") else (3,)
    config = ModelConfig(kind=kind, latent_dim=2, frame_dim=2, encoder=encoder, decoder=decoder)
    config = config.model_copy(
        update={"likelihood": Part(name="gaussian"), "frame_prior": Part(name="recurrent", width=4)}
    )
    if kind == "conditional":
        config = config.model_copy(update={"label": "label", "classes": 3})
    torch.manual_seed(0)
    # Pictures as bright as pictures are: elsewhere gradients of hundreds of nats hang on single draws.
    x = torch.rand(4, *shape) if len(shape) == 3 else torch.randn(4, *shape)
    batch = Batch(x, labels={"label": torch.tensor([0, 2, -1, -1])})
    if kind == "sequence":
        batch = Batch(torch.randn(2, 5, 3), lengths=torch.tensor([5, 4]))
    if kind == "masked":
        batch = replace(batch, given=torch.rand(batch.x.shape) < 0.5)
    model = build_model(config, shape)
    model.start_at(batch)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.2 * torch.randn_like(weights))
    names = [name for name, _ in model.named_parameters()]
    draws: dict[str, list[list[Tensor]]] = {"plain": [], "doubly-reparameterised": []}
    for gradient, found in draws.items():
        objective = Iwae(4, gradient=gradient)  # type: ignore[arg-type]
        for seed in range(400):
            torch.manual_seed(seed)
            loss = objective(model.infer(batch, 4), batch).loss.mean()
            found.append(list(torch.autograd.grad(loss, list(model.parameters()))))
    for number, name in enumerate(names):
        plain, double = (torch.stack([draw[number] for draw in draws[gradient]]) for gradient in draws)
        # In a masked model the posterior sees what the decoder's network has seen.
        if name.startswith("likelihood") or (kind != "masked" and name.startswith(("decoder", "prior"))):
            assert torch.allclose(plain, double, atol=1e-5), name
        # One number a weight: single entries, which most draws leave at zero, are not normal.
        difference = (plain - double).double().reshape(len(plain), -1)
        difference = difference @ torch.randn(difference.shape[1], dtype=torch.float64)
        error = difference.std() / math.sqrt(len(difference))
        rounding = 1e-3 * plain.mean(0).norm()
        assert float(difference.mean().abs()) < 4.5 * float(error + rounding) + 1e-6, name


def test_evaluation_needs_no_gradient() -> None:
    parameters = repeated(**SINGLE)
    with torch.no_grad():
        terms = Iwae(3)(single(parameters, 3), X)
    assert not terms.loss.requires_grad


def test_unknown_gradients_are_named() -> None:
    with pytest.raises(OptionError, match="did you mean 'plain'"):
        Iwae(gradient="plane")  # type: ignore[arg-type]
