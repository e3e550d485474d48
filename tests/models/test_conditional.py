from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from latentia.config import ModelConfig, Part
from latentia.core import Batch, Latents
from latentia.errors import OptionError
from latentia.models import build_model
from latentia.objectives import Elbo, Iwae, group_rate, guess_nats, log_weights

CLASSES = 3


def conditional(latent_dim=1, shape=(1, 2, 2), noise=0.35):
    torch.manual_seed(0)
    config = ModelConfig(
        kind="conditional",
        latent_dim=latent_dim,
        label="label",
        classes=CLASSES,
        encoder=Part(name="dense", width=8),
        decoder=Part(name="dense", width=8),
        likelihood=Part(name="bernoulli"),
    )
    built = build_model(config, shape).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
        if noise:  # proposals that reach as far as the true posterior
            for head in (built.posterior.head, built.label_posterior.head):
                head.weight *= 0.1
                head.bias *= 0.0
    return built


def batch_of(labels, seed=0):
    torch.manual_seed(seed)
    return Batch((torch.rand(len(labels), 1, 2, 2) < 0.5).float(), labels={"label": torch.tensor(labels)})


@torch.no_grad()
def joint_evidence(model, x):
    """Returns log p(x, y) of all classes, shape (N, C), by a sum over a fine grid of the one latent."""
    z = torch.linspace(-8, 8, 1601)[:, None, None].expand(-1, len(x), 1)
    columns = []
    for number in range(CLASSES):
        label = torch.eye(CLASSES)[number].expand(*z.shape[:2], CLASSES)
        nats = model.code_prior().log_prob(z) + model.decode(Latents(z, labels=label)).log_prob(x)
        columns.append(torch.logsumexp(nats.double(), 0) + math.log(0.01) + model.label_prior().logits[number])
    return torch.stack(columns, -1)


def test_importance_sampling_agrees_with_the_sum_over_classes_and_the_integral():
    """Where the label is unknown log p(x), where it is known log p(x, y): in one batch."""
    model, batch = conditional(), batch_of([-1, -1, 0, 2])
    exact = joint_evidence(model, batch.x)
    expected = torch.stack([*exact[:2].logsumexp(-1), exact[2, 0], exact[3, 2]])
    torch.manual_seed(1)
    with torch.no_grad():
        weights = log_weights(model.infer(batch, 60_000), batch).double()
    assert torch.logsumexp(weights, 0) - math.log(60_000) == pytest.approx(expected, abs=0.02)


def test_the_elbo_is_below_the_evidence():
    model, batch = conditional(), batch_of([-1, -1, 0, 2])
    exact = joint_evidence(model, batch.x)
    expected = torch.stack([*exact[:2].logsumexp(-1), exact[2, 0], exact[3, 2]])
    torch.manual_seed(1)
    with torch.no_grad():
        terms = Elbo()(model.infer(batch, 20_000), batch)
    assert (terms.elbo < expected).all()


def test_a_known_label_costs_what_the_prior_says_and_an_unknown_one_the_divergence():
    model, batch = conditional(), batch_of([-1, 1])
    group = model.infer(batch).latents[0]
    prior, guess = group.prior.probs.detach(), group.guess.probs.detach()
    assert group_rate(group)[1].item() == pytest.approx(-math.log(prior[1]), abs=1e-4)
    divergence = (guess[0] * (guess[0] / prior).log()).sum()
    assert group_rate(group)[0].item() == pytest.approx(divergence.item(), abs=1e-4)
    assert group.sample[:, 1].tolist() == [[0.0, 1.0, 0.0]]


def test_labels_of_the_data_start_the_prior():
    model = conditional(noise=0.0)
    model.start_at(batch_of([0] * 69 + [1] * 29 + [2] * 9 + [-1] * 50))
    assert model.label_prior().probs.tolist() == pytest.approx([70 / 110, 30 / 110, 10 / 110], abs=1e-4)


def test_the_prior_of_labels_is_learned():
    """Its gradient vanishes where it has the frequencies of the batch."""
    model, batch = conditional(noise=0.0), batch_of([0, 0, 0, 1, 1, 2])
    with torch.no_grad():
        model.label_prior.logits.copy_(torch.tensor([3 / 6, 2 / 6, 1 / 6]).log())
    Elbo()(model.infer(batch), batch).loss.mean().backward()
    assert model.label_prior.logits.grad.abs().max() < 1e-5


def test_the_weight_of_labels_is_in_the_loss_only_and_counts_known_ones():
    model, batch = conditional(), batch_of([-1, 1, -1, 0])
    with torch.no_grad():
        inference = model.infer(batch)
        plain, weighed = (Elbo(label_weight=weight)(inference, batch) for weight in (0.0, 10.0))
    assert torch.equal(plain.elbo, weighed.elbo)
    guess = inference.latents[0].guess.logits
    expected = -(guess[1, 1] + guess[3, 0]) / 2
    assert guess_nats(inference.latents[0]).mean().item() == pytest.approx(expected.item(), rel=1e-5)
    assert (weighed.loss - plain.loss).mean().item() == pytest.approx(10 * expected.item(), rel=1e-4)
    assert torch.equal(weighed.loss[[0, 2]], plain.loss[[0, 2]])


def test_unlabelled_examples_train_the_classifier_too():
    model, batch = conditional(), batch_of([-1, -1])
    Elbo()(model.infer(batch), batch).loss.sum().backward()
    assert model.label_posterior.head.weight.grad.abs().sum() > 0


def test_the_code_is_encoded_with_the_label_that_is_known():
    model, batch = conditional(), batch_of([-1, -1])
    with torch.no_grad():
        _, own = model.encode(batch)
        guess = own.labels[0].argmax(-1)
        other = (guess + 1) % CLASSES
        same, different = (model.encode(Batch(batch.x, labels={"label": given}))[1] for given in (guess, other))
    assert torch.equal(own.code, same.code)
    assert different.labels[0].argmax(-1).tolist() == other.tolist()
    assert not torch.allclose(own.code, different.code)


def test_decoding_without_a_class_is_refused():
    with pytest.raises(ValueError, match="class"):
        conditional().decode(Latents(torch.zeros(1, 2, 1)))


@pytest.mark.parametrize("missing", [{"classes": 1, "label": "label"}, {"classes": 3}])
def test_models_without_classes_are_refused(missing):
    config = ModelConfig(kind="conditional", likelihood=Part(name="bernoulli"), **missing)
    with pytest.raises(OptionError, match="at least two classes"):
        build_model(config, (1, 2, 2))


def test_the_importance_weighted_bound_teaches_labels_too():
    model, batch = conditional().train(), batch_of([0, 1, 2])
    losses = []
    for weight in (0.0, 7.0):
        torch.manual_seed(0)
        inference = model.infer(batch, 5)
        losses.append(Iwae(label_weight=weight)(inference, batch).loss)
    assert torch.allclose(losses[1] - losses[0], 7.0 * guess_nats(inference.latents[0]), atol=1e-4)
    losses[1].sum().backward()
    assert model.label_posterior.head.weight.grad.abs().max() > 0


def test_a_look_settles_the_class_once_for_all(monkeypatch):
    model, batch = conditional(), batch_of([-1, -1, 1])
    batch = replace(batch, given=torch.ones_like(batch.x, dtype=torch.bool))
    z = Latents(torch.zeros(1, 3, 1))
    before, seen = model.complete(z, batch).mean, model.look(batch)
    monkeypatch.setattr(model, "encoder", None)
    assert torch.equal(model.complete(z, seen).mean, before)
