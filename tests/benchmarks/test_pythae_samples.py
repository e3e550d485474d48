"""How Pythae's samplers, and the model that they sample from, get their settings; what becomes of those that fail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

pytest.importorskip("pythae")

from benchmarks import pythae_samples, samples
from benchmarks.baselines.pythae_peers import Choice
from benchmarks.baselines.pythae_samplers import MIXTURE, SAMPLERS, Setting
from benchmarks.harness import Key, Options, Results, Row

CHOICE = Choice("MLP", "16 latents", 1e-3)


class Judge:
    """Prefers bright pictures."""

    name, n = "mnist", 4
    match: ClassVar = {"classifier": "abc"}
    facts: ClassVar = match
    trained_on = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    known = trained_on

    def keys(self, system, seed):
        return [Key(system, metric, self.name, seed) for metric in ("Frechet distance", "precision", "recall")]

    def misfit(self, made):
        return 255 - made.float().mean().item()

    def rows(self, system, made, seed, **details):
        for key in self.keys(system, seed):
            spread = 1.0 if key.metric == "Frechet distance" else None
            yield Row(key, self.misfit(made), "", spread=spread, details={**self.facts, **details})


@pytest.fixture
def results(tmp_path):
    return Results("samples", "", Options(), tmp_path)


def draws(monkeypatch, brightness):
    """Puts a function of model, setting and seconds in the place of all samplers; returns what it was asked for."""
    asked = []

    def sampled(vae, setting, training, n, seconds, seed):
        asked.append((setting, seconds))
        return torch.full((n, 1, 28, 28), brightness(vae, setting))

    monkeypatch.setattr(pythae_samples, "sampled", sampled)
    monkeypatch.setattr(pythae_samples.Way, "train", lambda way, judge, minutes, options: (way, way.facts))
    monkeypatch.setattr(pythae_samples, "kept_vae", lambda results, judge, way: (way, {**way.facts, "weights": "w"}))
    return asked


def distances(results):
    """Returns the rows of all samplers' distances, by sampler."""
    keys = {sampler: Judge().keys(pythae_samples.peer_name(sampler), 0)[0] for sampler in SAMPLERS}
    return {sampler: results.find(key) for sampler, key in keys.items()}


def test_the_model_is_trained_in_the_way_whose_samples_are_nearest(results, monkeypatch) -> None:
    draws(monkeypatch, lambda way, setting: 0.9 if str(way).startswith("grey, MLP, 64 latents, squared") else 0.2)
    way = pythae_samples.best_way(results, Judge(), CHOICE)
    assert way.facts == {
        "network": "MLP",
        "variant": "64 latents, squared error",
        "learning_rate": 1e-3,
        "pixels": "grey",
    }
    tried = {row["setting"] for row in results._document["rows"]}
    assert len(tried) == 6
    assert sum(setting.startswith("mnist, binarised") for setting in tried) == 2
    assert len(pythae_samples.ways_to_train("fashion-mnist", CHOICE)) == 4


def test_digits_are_binarised_where_the_model_was_trained_so() -> None:
    pixels = torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8)
    binary, *_, grey = pythae_samples.ways_to_train("mnist", CHOICE)
    assert set(binary.seen(pixels).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(grey.seen(pixels), pixels / 255)


@pytest.mark.parametrize(("best", "found"), [(3e-4, 3e-4), (1e-2, 9e-3), (1e-5, 1e-5)])
def test_samplers_have_the_settings_that_suit(results, monkeypatch, best, found) -> None:
    def brightness(way, setting):
        if setting.components:
            return setting.components / 1000
        rate = setting.learning_rate or 1.0
        return 1 / (1 + abs(torch.tensor(rate / best).log().item()))

    asked = draws(monkeypatch, brightness)
    way = pythae_samples.ways_to_train("mnist", CHOICE)[0]
    pythae_samples.measure_samplers(results, Judge(), way)
    rows = distances(results)
    assert rows[MIXTURE]["details"]["sampler"]["components"] == 1000
    assert rows["MAF"]["details"]["sampler"]["learning_rate"] == pytest.approx(found, rel=0.35)
    assert len(set(asked)) == len(asked)
    assert sum(seconds == 60 * pythae_samples.MINUTES_OF_SAMPLERS for _, seconds in asked) == 3
    assert rows["normal"]["details"]["held_out"] == {"default": pytest.approx(rows["normal"]["value"])}


def test_a_sampler_that_diverges_after_its_trial_is_trained_anew_at_a_smaller_rate(results, monkeypatch) -> None:
    asked = draws(monkeypatch, lambda way, setting: 0.5 if setting.learning_rate == 1e-3 else 0.1)
    drawn_as_before = pythae_samples.sampled

    def sampled(vae, setting, training, n, seconds, seed):
        if setting.sampler == "MAF" and seconds == 60 * pythae_samples.MINUTES_OF_SAMPLERS and len(failed) < 2:
            failed.append(setting.learning_rate)
            raise ArithmeticError("NaN")
        return drawn_as_before(vae, setting, training, n, seconds, seed)

    failed: list[float] = []
    monkeypatch.setattr(pythae_samples, "sampled", sampled)
    way = pythae_samples.ways_to_train("mnist", CHOICE)[0]
    pythae_samples.measure_samplers(results, Judge(), way)
    details = distances(results)["MAF"]["details"]
    assert failed == [1e-3, 3e-4]
    assert details["sampler"]["learning_rate"] == pytest.approx(1e-4)
    assert asked[-1][0].learning_rate == 1e-3
    assert "failed" not in details


@pytest.mark.parametrize(
    ("distances", "best"),
    [((5, 4, 4.5, 1), 50), ((5, 6, 1, 1), 10), ((1e6, 1e6, 3, 2), 1000), ((3, 1e6, 2, 4), 200), ((1e6,) * 4, 10)],
)
def test_more_components_are_tried_as_long_as_they_are_better(distances, best) -> None:
    settings = [Setting(MIXTURE, components=count) for count in (10, 50, 200, 1000)]
    found = dict(zip(settings, distances, strict=True))
    assert pythae_samples._last_of_the_better(settings, found.__getitem__).components == best


def test_a_sampler_that_makes_nothing_has_rows_that_say_so_and_no_claim_over_it_holds(results, monkeypatch) -> None:
    def brightness(way, setting: Setting):
        if setting.sampler == "IAF":
            raise ValueError("Input contains NaN.")
        return 0.5

    draws(monkeypatch, brightness)
    way = pythae_samples.ways_to_train("mnist", CHOICE)[0]
    pythae_samples.measure_samplers(results, Judge(), way)
    rows = [results.find(key) for key in Judge().keys(pythae_samples.peer_name("IAF"), 0)]
    assert [row["value"] for row in rows] == [pythae_samples.FAILED, 0.0, 0.0]
    assert all(row["details"]["failed"] for row in rows)
    ours = [Key(system, "Frechet distance", "mnist", 0) for system in (samples.STAGED, samples.STANDARD)]
    results.measure(ours, lambda: [Row(key, 1.0, "", spread=0.1) for key in ours])
    *_, over_peers = samples.claims(results, "mnist")
    assert not over_peers.holds
    assert over_peers.anchor is None


def test_samplers_that_are_missing_are_measured_alone(results, monkeypatch) -> None:
    asked = draws(monkeypatch, lambda way, setting: 0.5)
    way = pythae_samples.ways_to_train("mnist", CHOICE)[0]
    pythae_samples.measure_samplers(results, Judge(), way)
    missing = {pythae_samples.peer_name(name) for name in ("normal", "two-stage VAE")}
    results._document["rows"] = [row for row in results._document["rows"] if row["system"] not in missing]
    asked.clear()
    pythae_samples.measure_samplers(results, Judge(), way)
    assert {setting.sampler for setting, _ in asked} == {"normal", "two-stage VAE"}
    assert None not in distances(results).values()
    asked.clear()
    pythae_samples.measure_samplers(results, Judge(), way)
    assert not asked


def test_samplers_of_another_model_are_measured_anew(results, monkeypatch) -> None:
    asked = draws(monkeypatch, lambda way, setting: 0.5)
    way = pythae_samples.ways_to_train("mnist", CHOICE)[0]
    pythae_samples.measure_samplers(results, Judge(), way)
    results._document["rows"].remove(distances(results)["IAF"])
    monkeypatch.setattr(pythae_samples, "kept_vae", lambda results, judge, way: (way, {**way.facts, "weights": "v"}))
    asked.clear()
    pythae_samples.measure_samplers(results, Judge(), way)
    assert {setting.sampler for setting, _ in asked} == set(SAMPLERS)
    assert {row["details"]["weights"] for row in distances(results).values()} == {"v"}


def test_a_stopped_benchmark_goes_on_with_the_same_model(tmp_path, monkeypatch) -> None:
    trainings = []

    def train(way, judge, minutes, options):
        trainings.append(way)
        return way.peer.build(way.choice, len(trainings)).eval(), {**way.facts, "diverged_until": 3e-4}

    def weights(way, options, state="abcdef"):
        vae, facts = pythae_samples.kept_vae(SimpleNamespace(options=options, commit=state), Judge(), way)
        assert facts["diverged_until"] == 3e-4
        assert not vae.training
        return facts["weights"], torch.cat([value.flatten().float() for value in vae.state_dict().values()])

    monkeypatch.setattr(pythae_samples, "CACHE", tmp_path)
    monkeypatch.setattr(pythae_samples.Way, "train", train)
    first, other, *_ = pythae_samples.ways_to_train("mnist", CHOICE)
    (name, found), (again, kept) = weights(first, Options()), weights(first, Options())
    assert name == again
    assert torch.equal(found, kept)
    assert len(trainings) == 1
    names = {weights(other, Options())[0], weights(first, Options(seed=1))[0]}
    names |= {weights(first, Options(again=("mnist",)))[0], weights(first, Options(fresh=True))[0]}
    names |= {weights(first, Options(), state)[0] for state in ("abcdef-dirty", "", "fedcba")}
    assert len(trainings) == 8
    assert len(names | {name}) == 8


def test_distances_by_another_classifier_are_measured_anew(results) -> None:
    key = Key("ours", "Frechet distance", "mnist", 0)
    for digest in ("abc", "abd"):
        facts = {"classifier": digest}
        results.measure([key], lambda facts=facts: [Row(key, 1.0, "", details=facts)], facts)
        assert results.find(key)["details"] == facts


def test_the_first_ones_of_a_sorted_set_are_not_all_that_is_looked_at(monkeypatch) -> None:
    from benchmarks import sample_judge

    x = np_pictures()
    source = SimpleNamespace(splits=("train", "test"), read=lambda split: SimpleNamespace(x=x, y=LABELS))
    looked: list[torch.Tensor] = []

    class Classifier:
        digest = "abc"

        def features(self, pixels):
            looked.append(pixels[:, 0, 0, 0])
            return pixels.flatten(1).float().numpy()

        def accuracy(self, pixels, labels):
            return 1.0

    monkeypatch.setattr(sample_judge, "open_pictures", lambda name, mirror: source)
    monkeypatch.setattr(sample_judge.features, "classifier", lambda *_, **__: Classifier())
    monkeypatch.setattr(sample_judge, "N", 100)
    sample_judge.Judge("mnist", Options())
    assert all(len(set(values.tolist())) == 10 for values in looked)


LABELS = torch.arange(300).div(30, rounding_mode="floor").numpy()


def np_pictures():
    """Pictures that show their class, sorted by it."""
    return LABELS.astype("uint8")[:, None, None].repeat(28, 1).repeat(28, 2)
