from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Independent, Normal, kl_divergence

from latentia.config import ModelConfig, Part
from latentia.core import Batch, Latents
from latentia.distributions import EitherPrior
from latentia.models import MaskedVAE, build_model
from latentia.models.masked import FAVOUR
from latentia.nets import smooth_fill
from latentia.objectives import Elbo, Iwae, group_rate, marginal_nats

SHAPE = (1, 8, 8)


def masked_config(likelihood: str, prior: str = "standard-normal") -> ModelConfig:
    return ModelConfig(
        kind="masked",
        latent_dim=3,
        encoder=Part(name="dense", width=8),
        decoder=Part(name="unet", widths=(4, 6), blocks=(1, 1), dense=6),
        likelihood=Part(name=likelihood),
        prior=Part(name=prior),
    )


def masked(likelihood: str = "discretised-gaussian", prior: str = "standard-normal") -> MaskedVAE:
    torch.manual_seed(0)
    model = build_model(masked_config(likelihood, prior), SHAPE).eval()
    assert isinstance(model, MaskedVAE)
    with torch.no_grad():  # fresh models ignore their input
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def pictures(n: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (n, *SHAPE), generator=torch.Generator().manual_seed(1)) / 255


def some(n: int = 4, share: float = 0.5) -> torch.Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(2)) < share


def normal(mean: float, scale: float, n: int | None = None) -> Independent:
    shape = (3,) if n is None else (n, 3)
    return Independent(Normal(torch.full(shape, mean), scale), 1)


def test_either_prior_is_one_or_the_other() -> None:
    told = torch.tensor([True, False, True])
    posterior, expected, free = normal(0.3, 0.5, 3), normal(1.0, 0.7, 3), normal(0.0, 1.0)
    prior = EitherPrior(told, expected, free)
    apart, plain = kl_divergence(posterior, expected), kl_divergence(posterior, free).expand(3)
    assert torch.equal(kl_divergence(posterior, prior), torch.where(told, apart, plain))
    z = torch.randn(5, 3, 3)
    assert torch.equal(prior.log_prob(z)[:, 1], free.log_prob(z[:, 1]))
    assert torch.equal(prior.log_prob(z)[:, [0, 2]], expected.log_prob(z)[:, [0, 2]])
    drawn = prior.sample((4000,))
    assert drawn.mean((0, 2)) == pytest.approx(torch.tensor([1.0, 0.0, 1.0]), abs=0.05)
    assert drawn.std((0, 2)) == pytest.approx(torch.tensor([0.7, 1.0, 0.7]), abs=0.05)
    assert prior.variance[:, 0] == pytest.approx(torch.tensor([0.49, 1.0, 0.49]))


def test_a_rate_without_closed_form_is_estimated_from_the_draws() -> None:
    batch = Batch(pictures(), given=some())
    group = masked(prior="flow").infer(batch, 7).latents[0]
    assert group_rate(group).shape == (7, 4)


@pytest.mark.parametrize("likelihood", ["discretised-gaussian", "discretised-logistic-mixture"])
def test_the_likelihood_counts_what_is_observed_and_not_given(likelihood: str) -> None:
    model, x, given, observed = masked(likelihood), pictures(), some(), some(share=0.8) | some()
    inferred = model.infer(Batch(x, observed, given=given), 2).likelihood
    rest = inferred.rest
    assert torch.equal(inferred.log_prob(x, observed), rest.log_prob(x, observed & ~given))
    assert torch.equal(inferred.log_prob(x), rest.log_prob(x, ~given))
    for seen in (inferred.mean, inferred.sample()):
        assert torch.equal(seen[:, given], x[given].expand(2, -1))
    assert torch.equal(inferred.mean[:, ~given], rest.mean[:, ~given])


def test_what_is_given_with_noise_is_asked_for_too() -> None:
    model, x, given = masked(), pictures(), some()
    noise = torch.tensor([0.0, 0.1, 0.2, 0.0]).view(4, 1, 1, 1)
    told = x + noise * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    batch = Batch(x, given=given, noise=noise, told=told)
    inferred = model.infer(batch, 2).likelihood
    certain = given & (noise == 0)
    assert torch.equal(inferred.log_prob(x), inferred.rest.log_prob(x, ~certain))
    assert torch.equal(inferred.mean[:, 1:3], inferred.rest.mean[:, 1:3])
    seen = model.posterior_given(Batch(told, given=given, noise=noise)).mean  # what is told is all that it sees
    assert torch.equal(model.posterior_given(batch).mean, seen)
    assert not torch.allclose(seen[1], model.posterior_given(Batch(told, given=given)).mean[1])


def test_everything_given_leaves_nothing_to_say() -> None:
    batch = Batch(pictures(), given=torch.ones(4, 1, 8, 8, dtype=torch.bool))
    assert (Elbo()(masked().infer(batch), batch).distortion == 0).all()


@pytest.mark.parametrize("prior", ["standard-normal", "mixture", "flow"])
def test_told_nothing_it_is_a_plain_vae(prior: str) -> None:
    """The prior is its own, and the likelihood is that of bare latents."""
    model, batch = masked(prior=prior), Batch(pictures())
    inference = model.infer(batch, 2)
    z = inference.latents[0].sample
    assert torch.equal(inference.latents[0].prior.log_prob(z), model.prior().log_prob(z))
    assert torch.allclose(inference.likelihood.mean, model.decode(Latents(z)).mean, atol=1e-6)
    nothing = Batch(pictures(), given=torch.zeros(4, 1, 8, 8, dtype=torch.bool))
    # Of which one look is enough for all, so that matrices of other shapes are multiplied.
    assert torch.allclose(model.posterior_of(nothing).mean, model.posterior_of(batch).mean, atol=1e-5)
    assert torch.allclose(model.posterior_of(nothing).stddev, model.posterior_of(batch).stddev, atol=1e-5)


def test_what_is_given_changes_what_is_expected_and_what_is_hidden_does_not() -> None:
    model, x, given = masked(), pictures(), some()
    other = torch.where(given, x, 1 - x)
    before, behind = (model.posterior_given(Batch(picture, given=given)) for picture in (x, other))
    assert torch.equal(before.mean, behind.mean)
    changed = model.posterior_given(Batch(torch.where(given, 1 - x, x), given=given))
    assert not torch.allclose(before.mean, changed.mean)
    z = Latents(torch.zeros(2, 4, 3))
    assert torch.equal(
        model.complete(z, Batch(x, given=given)).rest.mean, model.complete(z, Batch(other, given=given)).rest.mean
    )


def test_what_it_starts_from_does_not_suffer_from_holes() -> None:
    coarse = torch.rand(200, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    x, observed = F.interpolate(coarse, (8, 8), mode="bilinear", align_corners=True), some(200)
    complete, holed = masked(), masked()
    complete.start_at(Batch(x))
    holed.start_at(Batch(torch.where(observed, x, torch.nan), observed))
    for whole, from_parts in ((complete.guess, holed.guess), (complete.shrunk.stationary, holed.shrunk.stationary)):
        assert from_parts.mean == pytest.approx(whole.mean, abs=0.05)
    blurred = [(model.shrunk(x, observed) - x)[~observed].square().mean() for model in (complete, holed)]
    flat = (x - x.mean(0))[~observed].square().mean()
    assert blurred[1] < 1.5 * blurred[0] < 0.1 * flat


def test_before_training_pictures_lie_between_the_surfaces() -> None:
    model, x, given = build_model(masked_config("gaussian"), SHAPE).eval(), pictures(), some()
    assert isinstance(model, MaskedVAE)
    model.start_at(Batch(pictures(50)))
    guess = model.guess(x, given).mean
    smooth = smooth_fill(x, given, guess).clamp(0, 1)
    shrunk = model.shrunk(x, given, start=smooth).clamp(0, 1)
    patches = model.patches(x, given, start=shrunk).clamp(0, 1)
    surfaces = torch.stack([smooth, shrunk, patches])
    shares = torch.tensor(FAVOUR).softmax(0).view(3, 1, 1, 1, 1)
    filled = model.marginal(Batch(x, given=given)).mean[0]
    assert torch.allclose(filled, (shares * surfaces).sum(0), atol=1e-5)
    assert all((surfaces[one] - surfaces[one - 1]).abs().max() > 0.01 for one in range(3))


def test_one_look_serves_all_latents() -> None:
    model, batch = masked(), Batch(pictures(), given=some())
    z = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))
    together = model.complete(Latents(z), batch).mean
    for k in range(3):
        assert torch.allclose(model.complete(Latents(z[k : k + 1]), batch).mean[0], together[k], atol=1e-6)


def test_a_batch_that_was_looked_at_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = masked(), Batch(pictures(), given=some())
    z = Latents(torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)))
    parts = (model.posterior_given, lambda x: model.complete(z, x), model.marginal)
    fresh, seen = [part(batch).mean for part in parts], model.look(batch)
    monkeypatch.setattr(model, "patches", None)
    for before, part in zip(fresh, parts, strict=True):
        assert torch.equal(part(seen).mean, before)


def test_what_is_expected_of_pixels_needs_no_latents() -> None:
    """It is decoded from what is given alone, counts what the other likelihood counts, and is learned beside it."""
    model, x, given = masked(), pictures(), some()
    batch = Batch(x, given=given)
    first, second = (model.infer(batch).marginal for _ in range(2))
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.mean, model.marginal(batch).mean)
    assert torch.equal(first.mean[0][given], x[given])
    hidden = Batch(torch.where(given, x, 1 - x), given=given)
    assert torch.equal(model.marginal(hidden).rest.mean, first.rest.mean)
    zero = model.complete(Latents(torch.zeros(1, 4, 3)), batch)
    assert not torch.allclose(zero.rest.mean, first.rest.mean)  # latents that are 0 are not latents that are unknown
    inference = model.infer(batch)
    nats = marginal_nats(inference, batch)
    assert torch.equal(nats, -inference.marginal.rest.log_prob(x, ~given)[0])
    terms = Elbo()(inference, batch)
    assert torch.allclose(terms.loss, nats - terms.elbo, rtol=1e-5)
    iwae = Iwae(n_samples=1)(inference, batch)
    assert torch.allclose(iwae.loss - nats, iwae.distortion + iwae.rate, rtol=1e-5)


def test_models_without_masks_know_what_is_given_through_latents_only() -> None:
    config = ModelConfig(latent_dim=2, encoder=Part(name="dense", width=8), decoder=Part(name="dense", width=8))
    batch = Batch(pictures(), given=some())
    model = build_model(config, SHAPE)
    assert model.marginal(batch) is None
    assert (marginal_nats(model.infer(batch), batch) == 0).all()
