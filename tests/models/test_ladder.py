from __future__ import annotations

import math

import pytest
import torch

from latentia.config import ModelConfig, Part
from latentia.core import Batch, Latents
from latentia.errors import OptionError
from latentia.models import build_model
from latentia.objectives import Elbo, group_rate, log_weights, sampled_rate

SIZES = {"widths": [4, 6], "blocks": [1, 1]}


def ladder(noise=0.2, shape=(1, 8, 8), sizes=SIZES, **decoder):
    torch.manual_seed(0)
    config = ModelConfig(
        kind="ladder",
        latent_dim=3,
        encoder=Part(name="residual", **sizes, neck=2),
        decoder=Part(name="residual", **sizes, **{"groups": [1, 2], "latents": [1, 2], **decoder}),
        likelihood=Part(name="bernoulli"),
    )
    built = build_model(config, shape).eval().requires_grad_(False)
    for parameter in built.parameters():
        parameter.add_(noise * torch.randn_like(parameter))
    return built


def pictures(n=3, shape=(1, 8, 8)):
    return Batch((torch.rand(n, *shape) < 0.4).float())


def test_groups_are_named_from_coarse_to_fine_and_make_up_the_code():
    model, batch = ladder(), pictures()
    groups = model.infer(batch, 2).latents
    assert [group.name for group in groups] == ["z1", "z2", "z3", "z4"]
    assert [tuple(group.sample.shape) for group in groups] == [(2, 3, 3), (2, 3, 4, 2), (2, 3, 4, 2), (2, 3, 16, 1)]
    assert model.latent_dim == 3 + 8 + 8 + 16
    assert model.posterior_of(batch).mean.shape == (3, 35)
    assert model.draw(5).code.shape == (1, 5, 35)


def test_decoding_the_draws_gives_what_was_inferred_from():
    model, batch = ladder(), pictures()
    inference = model.infer(batch, 2)
    code = torch.cat([group.sample.flatten(2) for group in inference.latents], -1)
    assert torch.allclose(model.decode(Latents(code)).mean, inference.likelihood.mean, atol=1e-6)


def test_the_code_of_the_mean_path_is_where_narrow_posteriors_lead():
    """The standard deviations are shrunk to nothing, so that draws follow the means."""
    model, batch = ladder(noise=0.1), pictures()
    for part in (model.posterior, *model.group_posteriors):
        half = part.head.bias.shape[0] // 2
        part.head.weight[half:] = 0.0
        part.head.bias[half:] = -1000.0
    drawn = torch.cat([group.sample[0].flatten(1) for group in model.infer(batch).latents], -1)
    assert torch.allclose(model.posterior_of(batch).mean, drawn, atol=0.05)
    assert torch.equal(model.encode(batch)[1].code[0], model.posterior_of(batch).mean)


def test_before_training_the_lower_groups_cost_nothing():
    groups = ladder(noise=0.0).infer(pictures()).latents
    assert group_rate(groups[0]).min() > 0.1
    for group in groups[1:]:
        assert group_rate(group).abs().max() < 1e-6


def test_a_lower_group_follows_what_is_changed_above_it():
    """The same deviations mean other latents under another state."""
    model = ladder()
    code = torch.zeros(1, 2, model.latent_dim)
    code[0, 1, 0] = 3.0
    one, other = model.decode(Latents(code)).mean[0]
    assert (one - other).abs().max() > 0.05


def test_the_rate_agrees_with_its_estimate():
    model, batch = ladder(noise=0.05), pictures()
    torch.manual_seed(1)
    for group in model.infer(batch, 5000).latents:
        exact = group_rate(group)
        expected = exact if exact.dim() == 1 else exact.mean(0)
        assert torch.allclose(sampled_rate(group).mean(0), expected, rtol=0.05, atol=0.2)


def test_importance_sampling_agrees_with_numerical_integration():
    """Two latents, one above the other; the evidence by a sum over a fine grid of both."""
    sizes = {"widths": [4], "blocks": [1]}
    torch.manual_seed(0)
    config = ModelConfig(
        kind="ladder",
        latent_dim=1,
        encoder=Part(name="residual", **sizes, neck=2),
        decoder=Part(name="residual", **sizes, groups=[1], latents=[1]),
        likelihood=Part(name="bernoulli"),
    )
    model = build_model(config, (1, 2, 2)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    for part in (model.posterior, *model.group_posteriors):  # proposals that reach as far as the true posterior
        part.head.weight *= 0.1
        part.head.bias *= 0.0
    assert model.latent_dim == 2
    batch = Batch(torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]]).reshape(2, 1, 2, 2))
    axis = torch.linspace(-7, 7, 281)
    code = torch.cartesian_prod(axis, axis)[:, None].expand(-1, 2, 2)
    joint = model.code_prior().log_prob(code) + model.decode(Latents(code)).log_prob(batch.x)
    exact = torch.logsumexp(joint.double(), 0) + 2 * math.log(axis[1] - axis[0])
    torch.manual_seed(2)
    estimate = torch.logsumexp(log_weights(model.infer(batch, 40_000), batch).double(), 0) - math.log(40_000)
    assert estimate == pytest.approx(exact, abs=0.01)
    bound = Elbo()(model.infer(batch, 20_000), batch).elbo
    assert (bound < exact).all()


def test_draws_and_their_density_belong_together():
    """The mean log density of the prior's draws is minus its entropy, that of the standard normal here."""
    model = ladder()
    torch.manual_seed(0)
    drawn = model.draw(20_000).code[0]
    entropy = 0.5 * model.latent_dim * (1 + math.log(2 * math.pi))
    assert -model.code_prior().log_prob(drawn).mean().item() == pytest.approx(entropy, abs=0.1)


def test_stages_may_go_without_latents():
    sizes = {"widths": [4, 4, 6], "blocks": [1, 1, 1]}
    model = ladder(shape=(3, 16, 16), sizes=sizes, groups=[0, 1, 1], latents=[9, 1, 2])
    assert model.decoder.shapes == ((2, 2, 2), (1, 4, 4))
    assert model.decode(model.draw(2)).mean.shape == (1, 2, 3, 16, 16)


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ({"groups": [1]}, "one entry each"),
        ({"latents": [1, 2, 3]}, "one entry each"),
        ({"groups": [0, 0]}, "1 to 4 groups"),
        ({"groups": [3, 2]}, "1 to 4 groups"),
        ({"groups": [-1, 2]}, "1 to 4 groups"),
        ({"latents": [0, 1]}, "at least 1"),
        ({"widths": [4, 8]}, "same widths"),
    ],
)
def test_ladders_that_do_not_fit_are_refused(decoder, said):
    config = ModelConfig(
        kind="ladder",
        encoder=Part(name="residual", **SIZES),
        decoder=Part(name="residual", **{**SIZES, "groups": [1, 1], "latents": [1, 2], **decoder}),
        likelihood=Part(name="bernoulli"),
    )
    with pytest.raises(OptionError, match=said):
        build_model(config, (1, 8, 8))
    with pytest.raises(OptionError, match="takes pictures"):
        build_model(ModelConfig(kind="ladder", encoder="residual", decoder="residual", likelihood="gaussian"), (5,))
