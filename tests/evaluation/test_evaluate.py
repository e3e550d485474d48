from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentia import core
from latentia.core import Latents
from latentia.data import Dataset
from latentia.errors import DataError, OptionError
from latentia.evaluation import Metrics, evaluate, log_likelihood
from latentia.tasks import class_probabilities

ROWS = np.arange(200)


def copied(model):
    """Returns a model that a test may change."""
    trained, dataset = model
    return replace(trained, model=deepcopy(trained.model)), dataset


def test_figures_belong_together(digits):
    trained, dataset = digits
    metrics = evaluate(trained, dataset, rows=ROWS, is_samples=30)
    assert metrics.elbo_nats == pytest.approx(-(metrics.distortion_nats + metrics.rate_nats))
    assert metrics.bits_per_dim == pytest.approx(-metrics.elbo_nats / (64 * math.log(2)))
    assert metrics.nll_nats is not None
    assert metrics.nll_nats < -metrics.elbo_nats
    assert (metrics.n_examples, metrics.latent_dim, metrics.is_samples) == (200, 4, 30)


def test_same_seed_same_figures(binary):
    trained, dataset = binary
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    once = evaluate(trained, dataset, rows=ROWS, seed=1, is_samples=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(9)
    assert evaluate(trained, dataset, rows=ROWS, seed=1, is_samples=2) == once
    assert evaluate(trained, dataset, rows=ROWS, seed=2, is_samples=2) != once


def test_binarised_pictures_have_no_bits_and_are_drawn_once(binary):
    trained, dataset = copied(binary)
    # Without noise in the posterior, only other pictures could make a difference.
    trained.model.posterior.head.bias[4:] -= 100.0
    first, second = (evaluate(trained, dataset, rows=ROWS, seed=seed) for seed in (1, 2))
    assert first.distortion_nats == pytest.approx(second.distortion_nats, rel=1e-4)
    assert first.bits_per_dim is None


def test_the_likelihood_of_vectors_is_that_of_the_original_data(vectors):
    trained, dataset = copied(vectors)
    trained.model.posterior.head.weight.zero_()  # a wide posterior that covers the true one
    trained.model.posterior.head.bias.zero_()
    metrics = evaluate(trained, dataset, is_samples=4000)
    z = torch.linspace(-8, 8, 4001)
    batch = dataset.batch(np.arange(len(dataset)))
    densities = trained.model.decode(Latents(z[:, None, None].expand(-1, len(batch), -1))).log_prob(batch.x)
    prior = torch.distributions.Normal(0, 1).log_prob(z)[:, None]
    standardised = torch.logsumexp(densities + prior, 0) + math.log(16 / 4000)
    # p(x) = p(standardised x) / product of the scales
    expected = -float(standardised.mean()) + sum(math.log(scale) for scale in trained.preprocessing.scale)
    assert metrics.nll_nats == pytest.approx(expected, abs=0.03)
    assert -metrics.elbo_nats > expected
    assert metrics.bits_per_dim is None


@pytest.mark.parametrize(("rows", "is_samples"), [(ROWS, 100), (ROWS[:3], 5000), (ROWS[:1], 1)])
def test_importance_samples_come_in_pieces_of_bounded_size(digits, monkeypatch, rows, is_samples):
    trained, dataset = digits
    sizes = []
    decode = trained.model.decode
    monkeypatch.setattr(trained.model, "decode", lambda z: sizes.append(len(z.code) * z.n) or decode(z))
    evaluate(trained, dataset, rows=rows, is_samples=is_samples)
    assert max(sizes) <= 1024
    assert sum(sizes) == len(rows) * (is_samples + 1)  # one more for the bound


def test_large_examples_come_in_smaller_pieces(digits, monkeypatch):
    trained, dataset = digits
    monkeypatch.setattr(core, "NUMBERS_AT_ONCE", 64 * 10)
    sizes = []
    decode = trained.model.decode
    monkeypatch.setattr(trained.model, "decode", lambda z: sizes.append(len(z.code) * z.n) or decode(z))
    log_likelihood(trained.model, dataset.batch(range(4)), 25)
    assert sizes == [8] * 12 + [4]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell the peak of memory")
def test_memory_does_not_grow_with_the_number_of_samples(digits):
    trained, dataset = digits
    batch = dataset.batch(range(100))

    def peak(n_samples):
        Path("/proc/self/clear_refs").write_text("5")
        with torch.inference_mode():
            log_likelihood(trained.model, batch, n_samples)
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    few = peak(20)
    assert peak(4000) < few + 20 * 2**20  # all draws at once would be 100 MB, and several times that on the way


def test_missing_pixels_count_nowhere(digits):
    trained, dataset = digits
    seen = np.ones((len(dataset), 8, 8), bool)
    seen[:, 6:] = False
    damaged = dataset.x[np.arange(len(dataset))].copy()
    damaged[:, 6:] = 0
    partial = replace(dataset, observed=seen, x=damaged)
    metrics = evaluate(trained, partial, rows=ROWS)
    assert metrics.bits_per_dim == pytest.approx(-metrics.elbo_nats / (48 * math.log(2)))


def test_json_leaves_out_what_was_not_asked_for():
    metrics = Metrics(3, -2.0, 1.0, 1.0, 1, 2)
    assert "nll_nats" not in metrics.as_dict()
    assert metrics.as_dict()["bits_per_dim"] is None
    assert replace(metrics, nll_nats=1.5, is_samples=4).as_dict()["nll_nats"] == 1.5


def test_nothing_to_evaluate(digits):
    trained, dataset = digits
    with pytest.raises(DataError, match="no examples"):
        evaluate(trained, Dataset(np.empty((0, 8, 8, 1), np.uint8)))
    with pytest.raises(OptionError, match="is_samples must be"):
        evaluate(trained, dataset, is_samples=0)


def test_classes_are_recognised_from_the_examples_alone_and_by_their_names(labelled):
    trained, dataset = labelled
    values, names = dataset.labels["label"], dataset.label_names["label"]
    heads = evaluate(trained, dataset, rows=ROWS).heads
    most = class_probabilities(trained, dataset, ROWS).argmax(1)
    assert heads["label"].n_examples == 200
    assert heads["label"].accuracy == pytest.approx((most == values[ROWS]).mean())
    # The same examples with their classes in another order, one that the model does not know, and some unknown.
    order = np.array([3, 1, 2, 0, *range(4, 10)])
    shuffled = tuple("ten" if number == 9 else names[number] for number in order)
    relabelled = np.where(np.arange(len(values)) % 2, np.argsort(order)[values], -1)
    other = replace(dataset, labels={"label": relabelled}, label_names={"label": shuffled})
    known = np.flatnonzero((ROWS % 2 == 1) & (values[ROWS] != 9))
    found = evaluate(trained, other, rows=ROWS).heads["label"]
    assert found.n_examples == len(known)
    assert found.accuracy == pytest.approx((most[known] == values[ROWS][known]).mean())


def test_there_are_no_figures_of_classes_that_nobody_knows(labelled, digits):
    trained, dataset = labelled
    unknown = replace(dataset, labels={"label": np.full(len(dataset), -1)})
    for metrics in (evaluate(trained, unknown, rows=ROWS[:5]), evaluate(*digits, rows=ROWS[:5])):
        assert metrics.heads == {}
        assert "heads" not in metrics.as_dict()
    bare = replace(dataset, labels={}, label_names={})
    assert evaluate(trained, bare, rows=ROWS[:5]).heads == {}
