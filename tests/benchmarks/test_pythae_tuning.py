"""How settings of the peers are found, and that they are found once for all benchmarks."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

pytest.importorskip("pythae")

from benchmarks import pythae_settings, samples
from benchmarks.baselines.pythae_peers import Choice
from benchmarks.baselines.pythae_tuning import DIVERGED, SMALLEST_RATE, train_as_chosen, tuned
from benchmarks.harness import Options, Results


class Fake:
    """A peer whose loss is known for every choice."""

    name = "fake"
    networks = ("small", "large", "hopeless")
    variants = ("first", "second")

    def __init__(self, best: float, better: str = "first") -> None:
        self.best, self.better, self.tried = best, better, []

    def train(self, pixels, seconds, choice, seed):
        self.tried.append((choice, seconds))
        if choice.learning_rate > 0.05:
            raise ArithmeticError("NaN detected in train loss")
        return choice

    def judge(self, choice, held_out):
        """A large network is better in the end."""
        late = self.tried[-1][1] > 60
        network = {"small": 0.3, "large": 0.2 if late else 0.4, "hopeless": 9.0}[choice.network]
        return abs(math.log(choice.learning_rate / self.best)) + network - 0.1 * (choice.variant == self.better)


@pytest.mark.parametrize("minutes", [8.0, 15.0])
@pytest.mark.parametrize(("best", "found"), [(3e-4, 3e-4), (1e-5, 1e-5), (0.02, 0.03), (10.0, 0.03)])
def test_settings_are_sought_beyond_the_usual_ones(tmp_path, monkeypatch, best, found, minutes) -> None:
    monkeypatch.setattr("benchmarks.bounds.importance_nll", lambda model, x, n: model)
    results = Results("tuning", "", Options(), tmp_path)
    peer = Fake(best, "second")
    choice = tuned(results, peer, torch.zeros(1), torch.zeros(1), "data", minutes)
    assert (choice.network, choice.variant) == ("large", "second")
    assert choice.learning_rate == pytest.approx(found, rel=0.35)
    values = [row["value"] for row in results._document["rows"]]
    assert max(values) <= DIVERGED
    assert len(peer.tried) == len(values) == len(set(peer.tried))
    longer = {(tried.network, tried.variant) for tried, seconds in peer.tried if seconds == 15 * minutes}
    assert longer == {("small", "first"), ("large", "first"), ("large", "second")}


def test_a_training_that_diverges_later_than_its_trial_begins_anew_at_a_smaller_rate() -> None:
    model, facts = train_as_chosen(Fake(1e-3), torch.zeros(1), 900.0, Choice("small", "first", 0.3), 0)
    assert model == Choice("small", "first", 0.03)
    assert facts == {"network": "small", "variant": "first", "learning_rate": 0.3, "diverged_until": 0.03}


def test_a_training_that_diverges_at_every_rate_is_given_up() -> None:
    tried = []

    class Hopeless:
        def train(self, pixels, seconds, choice, seed):
            tried.append(choice.learning_rate)
            raise ArithmeticError("NaN")

    with pytest.raises(ArithmeticError):
        train_as_chosen(Hopeless(), torch.zeros(1), 1.0, Choice("small", "first", 0.1), 0)
    assert tried[-1] < SMALLEST_RATE <= tried[-2]


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Fake:
    """A peer in the place of all others, whose trials are kept in a folder of their own."""
    peer = Fake(3e-4)
    monkeypatch.setattr("benchmarks.bounds.importance_nll", lambda model, x, n: model)
    monkeypatch.setattr(pythae_settings, "Results", partial(Results, folder=tmp_path))
    for module in (pythae_settings, samples):
        monkeypatch.setattr(module, "BINARY", (peer,))
    monkeypatch.setattr(pythae_settings, "eight_bit", lambda shape: peer)
    few = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    monkeypatch.setattr(pythae_settings, "to_train_on", lambda name, mirror: (few, few[:1]))
    monkeypatch.setattr(pythae_settings.mnist, "held_out", lambda options: few[:1].float())
    monkeypatch.setattr(pythae_settings.mnist, "images_to_train_on", lambda options: few)
    return peer


@pytest.mark.parametrize("name", samples.SETS)
def test_what_one_benchmark_tried_is_not_tried_by_another(fake, name) -> None:
    trials = pythae_settings.open_trials(Options())
    found = pythae_settings.for_digits(trials, fake) if name == "mnist" else pythae_settings.for_eight_bit(trials, name)
    tried = len(fake.tried)
    assert tried > 9
    again = pythae_settings.open_trials(Options(fresh=True, again=("a part of its own",)))
    assert samples.chosen(again, name) == found
    assert len(fake.tried) == tried


def test_trials_of_another_seed_are_others(fake) -> None:
    for seed in (0, 1):
        pythae_settings.for_eight_bit(pythae_settings.open_trials(Options(seed=seed)), "fashion-mnist")
    assert len(fake.tried) == 2 * len(set(fake.tried))


def test_all_trials_can_be_made_and_forgotten(fake) -> None:
    pythae_settings.main(Options())
    tried = len(fake.tried)
    pythae_settings.main(Options())
    assert len(fake.tried) == tried
    pythae_settings.main(Options(fresh=True))
    assert len(fake.tried) == 2 * tried
