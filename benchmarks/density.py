"""Log likelihood of pictures: priors, bounds and Pythae at equal time, on binary MNIST and on three 8-bit sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from statistics import mean, stdev
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks import bounds, mnist, ours
from benchmarks.baselines.pythae_peers import BINARY, Choice, Peer, eight_bit
from benchmarks.baselines.pythae_tuning import train_as_chosen
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.picture_sets import channels_first, held_out_rows, open_pictures, rows_to_test, to_train_on
from benchmarks.pythae_settings import EIGHT_BIT, for_digits, for_eight_bit, open_trials
from latentia.data import Dataset
from latentia.models import LatentModel
from latentia.training.fit import fit

PROTOCOL = (
    "Binary MNIST: dynamically binarised, 15 minutes of training each; negative log likelihood in nats by importance "
    "sampling, 200 samples, on 2000 test pictures that were binarised once, by the same code for all. The best of "
    "ours on 500 held-out training pictures is trained once for 60 minutes, measured with 1000 samples on all 10 000 "
    "test pictures, and for 15 minutes beside each of Pythae's models, with another seed each time. 8-bit sets: the "
    "ladder, 8 minutes each, bits per dimension from 50 importance samples on 1000 test pictures, as a probability "
    "on the grid of 256 levels; Pythae's means are given the scale of their own errors, and its posteriors are as "
    "wide as suits that. Pythae 0.1.2 has its own trainer, its learning rate falls as ours does, and the best of its "
    "networks (its default, those that it ships for MNIST and CIFAR, the gated one of its script of VAMP) and "
    "settings of its scripts: learning rates from 1e-3 to 1e-4, and beyond while an end is best, for each network "
    "after a minute on held-out training pictures; the two best networks, and all settings of the better, after a "
    "quarter of the time; its batch normalisation is as it keeps it, or by statistics of held-out pictures where "
    "that is better. Leads are means over pictures with the paired 95 % interval; seeds are not in it."
)
OURS = ("vae", "iwae", "vamp", "flow-prior", "ladder")
OURS_8_BIT = "ladder"
NLL, VALIDATION, BITS, LEAD = "NLL", "validation NLL", "bits per dimension", "lead"
FIFTEEN, SIXTY, EIGHT = "15 minutes", "60 minutes", "8 minutes"
DIGITS = 4  # of the figures of single pictures
QUICK = 10  # held-out pictures of a quick run


def system(preset: str) -> str:
    """Names one of ours."""
    return f"Latentia, preset {preset}"


def train_ours(name: str, preset: str, options: Options, minutes: float) -> LatentModel:
    """Trains one of ours for a time, on all but what is held out."""

    def seen(dataset: Dataset) -> Dataset:
        return ours.without(dataset, held_out_rows(next(iter(dataset.labels.values()))))

    return ours.ended(fit(ours.prepare_pictures(name, preset, options, ours.for_minutes(minutes), seen))).model


def judged(model: LatentModel, key: Key, x: tuple[Tensor, Tensor], n: int, unit: str, **details: Any) -> Iterator[Row]:
    """Yields the rows of a trained model: on test pictures, and on held-out training pictures.

    Args:
        model: any system.
        key: of the first row.
        x: held-out training pictures, and test pictures.
        n: importance samples for the test pictures.
        unit: "nats", or "bits per dimension".
        details: further facts worth keeping.
    """
    scale = 1.0 if unit == "nats" else 1 / (math.log(2) * x[1][0].numel())
    validation = bounds.importance_nll(model, x[0], 50)
    nats = bounds.importance_nlls(model, x[1], n)
    facts = {"n": len(nats), "samples": n, "active_units": bounds.active(model, x[1][:500]), **details}
    yield Row(key, float(nats.mean()) * scale, unit, values=np.round(nats * scale, DIGITS).tolist(), details=facts)
    yield Row(key._replace(metric=VALIDATION), validation * scale, unit)


def pair(key: Key) -> list[Key]:
    """Returns the keys of what `judged` measures."""
    return [key, key._replace(metric=VALIDATION)]


def lead(results: Results, key: Key, one: Key, other: Key, unit: str) -> None:
    """Adds how far one system is ahead of another, picture by picture."""
    ahead = np.subtract(*(results.find(key)["values"] for key in (other, one)))
    half = 1.96 * float(ahead.std(ddof=1)) / math.sqrt(len(ahead))
    middle = float(ahead.mean())
    relative = 100 * middle / results.value(other)
    interval = {"low": middle - half, "high": middle + half, "percent": relative}
    results.derive(Row(key, middle, unit, details=interval), one)


def low(results: Results, keys: Sequence[Key]) -> float | None:
    """Returns the smallest lower end of the intervals of leads; None while one is missing."""
    rows = [results.find(key) for key in keys]
    return None if None in rows else min(row["details"]["low"] for row in rows)


def measure_digits(results: Results, preset: str, seed: int, key: Key, minutes: float, n_test: int, n: int) -> None:
    """Trains one of ours on binary MNIST for a time, and measures it on some test pictures with `n` samples."""
    seeded = replace(results.options, seed=seed)
    x = _digits(results.options, n_test)
    results.measure(pair(key), lambda: judged(train_ours("mnist", preset, seeded, minutes), key, x, n, "nats"))


def best_preset(results: Results) -> str:
    """Measures ours on binary MNIST at equal time, and returns the preset that is best on held-out pictures."""
    seed = results.options.seed
    for preset in OURS:
        measure_digits(results, preset, seed, _nll(preset, seed), *_fifteen(results))
    return min(OURS, key=lambda name: results.value(_nll(name, seed)._replace(metric=VALIDATION)))


def equal_time(results: Results, trials: Results, best: str) -> list[Claim]:
    """Trains each of Pythae's models, and beside it the best of ours with one more seed, and returns the claims."""
    first = results.options.seed
    leads: list[Key] = []
    for seed, peer in enumerate(BINARY, first + 1):
        with results.within(f"binary MNIST, beside {peer.name}"):
            ours_ = _nll(best, seed)
            measure_digits(results, best, seed, ours_, *_fifteen(results))
            leads.append(Key(system(best), LEAD, f"over {peer.name}, {FIFTEEN}", seed))
            lead(results, leads[-1], ours_, measure_peer(results, trials, peer), "nats")
    over_seeds(results, [_nll(best, first + number) for number in range(1 + len(BINARY))])
    return floor_and_goal(
        "binary MNIST, lead of the best of ours over every Pythae model at equal time, nats (lower end)",
        low(results, leads),
        floor=0.0,
        goal=None,
        source="Pythae 0.1.2's VAE, IWAE and VAMP, in the same run",
        higher_is_better=True,
    )


def over_seeds(results: Results, keys: Sequence[Key]) -> None:
    """Adds the mean over seeds, and their spread."""
    nats = [results.find(key)["value"] for key in keys]
    key = keys[-1]._replace(setting=f"{FIFTEEN}, mean over seeds", seed=None)
    results.derive(Row(key, mean(nats), "nats", len(nats), stdev(nats), nats), keys[-1])


def measure_peer(results: Results, trials: Results, peer: Peer) -> Key:
    """Measures one of Pythae's models on binary MNIST, with what is best of its settings."""
    options = results.options
    key = Key(peer.name, NLL, FIFTEEN, options.seed)
    if results.measured_elsewhere(pair(key)):
        return key
    minutes, n_test, n = _fifteen(results)
    x = _digits(options, n_test)
    train = mnist.images_to_train_on(options)
    choice = for_digits(trials, peer)

    def rows() -> Iterator[Row]:
        vae, facts = train_as_chosen(peer, train, 60 * minutes, choice, options.seed)
        yield from judged(peer.judge(vae, x[0]), key, x, n, "nats", **facts)

    results.measure(pair(key), rows, asdict(choice))
    return key


def sixty_minutes(results: Results, preset: str) -> list[Claim]:
    """Trains the best of ours longer, measures it on all test pictures of binary MNIST, and returns the claims."""
    seed, quick = results.options.seed, results.options.quick
    key = Key(system(preset), NLL, f"{SIXTY}, all test pictures", seed)
    minutes, n_test, n = (0.1, 40, 20) if quick else (60.0, 10_000, 1000)
    measure_digits(results, preset, seed, key, minutes, n_test, n)
    return floor_and_goal(
        "binary MNIST, NLL of the best of ours after 60 minutes, nats",
        results.value(key),
        floor=82.0,
        goal=80.0,
        source="set for this project; published: 78.6 (arXiv:1905.13452), 84.6 (IWAE, arXiv:1509.00519)",
        higher_is_better=False,
    )


def _fifteen(results: Results) -> tuple[float, int, int]:
    """Returns minutes of training, test pictures and importance samples where all systems have equal time."""
    return (0.08, 40, 10) if results.options.quick else (15.0, 2000, 200)


def _digits(options: Options, n_test: int) -> tuple[Tensor, Tensor]:
    """Returns held-out training digits, and test digits."""
    held_out = mnist.held_out(options)[: QUICK if options.quick else None]
    return held_out, mnist.resampled_test(options, n_test)


def _nll(preset: str, seed: int) -> Key:
    return Key(system(preset), NLL, FIFTEEN, seed)


def eight_bit_set(results: Results, trials: Results, name: str) -> list[Claim]:
    """Measures ours and Pythae's VAE on a set of 8-bit pictures, and returns the claims."""
    options, quick = results.options, results.options.quick
    n_test, n, minutes = (30, 5, 0.05) if quick else (1000, 50, 8.0)
    train, held_out = to_train_on(name, options.mirror)
    test = open_pictures(name, options.mirror).read("test")
    tested = channels_first(test.x)[rows_to_test(test.y, n_test)]
    x = (held_out[: QUICK if quick else None].float() / 255, tested.float() / 255)
    setting = f"{name}, {EIGHT}"
    key = Key(system(OURS_8_BIT), BITS, setting, options.seed)
    results.measure(pair(key), lambda: judged(train_ours(name, OURS_8_BIT, options, minutes), key, x, n, BITS))
    peer = eight_bit(tuple(train.shape[1:]))
    theirs = Key(peer.name, BITS, setting, options.seed)

    def peer_rows(choice: Choice) -> Iterator[Row]:
        vae, facts = train_as_chosen(peer, train, 60 * minutes, choice, options.seed)
        model = peer.judge(vae, x[0])
        yield from judged(model, theirs, x, n, BITS, width=model.width, **facts)

    if not results.measured_elsewhere(pair(theirs)):
        choice = for_eight_bit(trials, name)
        results.measure(pair(theirs), lambda: peer_rows(choice), asdict(choice))
    ahead = Key(system(OURS_8_BIT), LEAD, f"over {peer.name}, {setting}", options.seed)
    lead(results, ahead, key, theirs, BITS)
    row = results.find(ahead)
    share = None if row is None else 100 * row["details"]["low"] / results.value(theirs)
    return floor_and_goal(
        f"{name}, bits per dimension below Pythae's VAE at equal time, % (lower end)",
        share,
        floor=0.0,
        goal=5.0,
        source="Pythae 0.1.2's VAE in the same run",
        higher_is_better=True,
    )


def main(options: Options) -> None:
    """Runs the benchmark."""
    results, trials = Results("density", PROTOCOL, options), open_trials(options)
    with results.within(f"binary MNIST, {FIFTEEN}"):
        best = best_preset(results)
    with results.within(f"binary MNIST, {SIXTY}"):
        claims = sixty_minutes(results, best)
    claims += equal_time(results, trials, best)
    for name in EIGHT_BIT[:1] if options.quick else EIGHT_BIT:
        with results.within(name):
            claims += eight_bit_set(results, trials, name)
    results.finish(claims)


if __name__ == "__main__":
    main(parse(__doc__))
