from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentia.config import ModelConfig, Part
from latentia.core import Batch, Latents
from latentia.distributions import FRAME_PRIORS, Gaussian, ItakuraSaito
from latentia.errors import OptionError
from latentia.models import build_model
from latentia.models.sequence import SequenceLikelihood
from latentia.nets.recurrent import position_mask, reverse_within
from latentia.objectives import group_rate, sampled_rate


def model(**changes):
    torch.manual_seed(0)
    networks = {"encoder": Part(name="conv-gru", width=8), "decoder": Part(name="conv-gru", width=8)}
    config = ModelConfig(kind="sequence", latent_dim=3, frame_dim=2, likelihood=Part(name="gaussian"), **networks)
    built = build_model(config.model_copy(update=changes), (5,)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return built


def test_the_length_of_a_sequence_has_a_probability():
    """The odds of ending sum to one over all lengths, and the likelihood counts them."""
    end = torch.randn(1, 1, 6)
    total = 0.0
    for count in range(1, 7):
        groups = position_mask(torch.tensor([count]), 6)
        likelihood = SequenceLikelihood(Gaussian()(torch.zeros(1, 4, 5)), 1, end, groups, 4)
        without = SequenceLikelihood(Gaussian()(torch.zeros(1, 4, 5)), 1, None, groups, 4)
        x = torch.zeros(1, 4, 5)
        total += math.exp(float(likelihood.log_prob(x) - without.log_prob(x)))
    total += float(torch.sigmoid(-end).prod())  # going on behind the sixth
    assert total == pytest.approx(1.0, abs=1e-5)


def test_draws_end_as_often_as_the_prior_says():
    torch.manual_seed(0)
    prior = FRAME_PRIORS.build("independent", {}, latent_dim=1, frame_dim=2)
    prior.end.data.fill_(math.log(0.25 / 0.75))
    frames, count = prior.draw(torch.zeros(20_000, 1), most=200)
    assert frames.shape == (20_000, int(count.max()), 2)
    assert count.double().mean().item() == pytest.approx(4.0, abs=0.1)


def test_the_recurrent_prior_draws_what_it_expects():
    """Teacher-forced densities of its own draws have the entropy of their scales."""
    torch.manual_seed(0)
    prior = FRAME_PRIORS.build("recurrent", {"width": 8}, latent_dim=2, frame_dim=2)
    code = torch.randn(4000, 2)
    with torch.no_grad():
        frames, _ = prior.draw(code, most=5)
        expected = prior(code[None], frames[None]).latents
        standard = (frames[None] - expected.mean) / expected.stddev
    assert standard.mean().item() == pytest.approx(0.0, abs=0.02)
    assert standard.std().item() == pytest.approx(1.0, abs=0.02)


def test_the_rate_of_frames_agrees_with_its_estimate():
    built, batch = model(), Batch(torch.randn(3, 9, 5), lengths=torch.tensor([9, 6, 1]))
    with torch.no_grad():
        torch.manual_seed(1)
        frames = built.infer(batch, 4000).latents[1]
        assert torch.allclose(group_rate(frames).mean(0), sampled_rate(frames).mean(0), rtol=0.05, atol=0.05)


def test_itakura_saito_is_the_density_of_power():
    """It integrates to one, and its maximum over the parameter lies at the power itself."""
    power = torch.linspace(1e-4, 60, 200_001, dtype=torch.float64)[:, None]
    parameters = torch.full((1, len(power), 1), 0.7)
    nats = ItakuraSaito()(parameters).log_prob(power)
    assert torch.trapezoid(nats[0].exp(), power[:, 0]).item() == pytest.approx(1.0, abs=1e-3)
    grid = torch.linspace(-3, 3, 601)[None, :, None]
    best = ItakuraSaito()(grid).log_prob(torch.full((601, 1), 2.0)).argmax()
    assert grid[0, best, 0].item() == pytest.approx(math.log(2.0), abs=0.011)


def test_it_starts_at_the_data():
    built = build_model(
        ModelConfig(
            kind="sequence",
            likelihood=Part(name="gaussian"),
            encoder=Part(name="conv-gru"),
            decoder=Part(name="conv-gru"),
        ),
        (5,),
    ).eval()
    x = 3 + 2 * torch.randn(50, 12, 5)
    x[:, 8:] = 1000.0  # behind the ends
    batch = Batch(x, lengths=torch.full((50,), 8))
    built.start_at(batch)
    with torch.no_grad():
        mean = built.decode(built.encode(batch)[1]).mean[0, :, :8]
    assert mean.mean().item() == pytest.approx(3.0, abs=0.2)
    assert built.encoder.scale.mean().item() == pytest.approx(2.0, abs=0.2)
    assert int(built.longest) == 2


def test_reversing_twice_changes_nothing():
    x, lengths = torch.randn(3, 7, 2), torch.tensor([7, 3, 1])
    turned = reverse_within(x, lengths)
    assert torch.equal(reverse_within(turned, lengths), x)
    assert torch.equal(turned[1, :3], x[1, :3].flip(0))
    assert torch.equal(turned[1, 3:], x[1, 3:])


def test_sequence_models_want_sequence_networks():
    with pytest.raises(OptionError, match="conv-gru"):
        model(encoder=Part(name="residual"))
    with pytest.raises(OptionError, match="even"):
        model(encoder=Part(name="conv-gru", width=7))


def test_decoding_a_code_alone_is_refused():
    with pytest.raises(ValueError, match="frames"):
        model().decode(Latents(torch.zeros(1, 2, 3)))


def test_a_longer_code_path_is_not_needed_for_one_frame():
    batch = Batch(torch.randn(1, 1, 5), lengths=torch.tensor([1]))
    inference = model().infer(batch, 2)
    assert inference.likelihood.log_prob(batch.x).shape == (2, 1)
    assert np.isfinite(inference.likelihood.log_prob(batch.x).detach().numpy()).all()
