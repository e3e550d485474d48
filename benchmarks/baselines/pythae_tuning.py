"""Settings of Pythae's models, chosen on held-out training pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any, TypeVar

from torch import Tensor

from benchmarks import bounds
from benchmarks.baselines.pythae_peers import Choice, Peer
from benchmarks.baselines.pythae_vae import LEARNING_RATES, VAE
from benchmarks.harness import Key, Results, Row

STEP = 3.0  # times, from one learning rate to the next
MINUTES = 1.0  # of a first trial
SHARE = 0.25  # of the time that it is trained for in the end, of a second: small networks are ahead at first
FINALISTS = 2  # networks that have a second trial
JUDGED, DRAWS = 200, 10  # held-out pictures and importance samples of a trial
DIVERGED = 1e6  # nats
SMALLEST_RATE = 1e-6  # below which it is not the rate that makes a training diverge

Rated = TypeVar("Rated", bound=Any)


def tuned(trials: Results, peer: Peer, train: Tensor, held_out: Tensor, setting: str, minutes: float) -> Choice:
    """Returns the network, the settings and the learning rate with which a peer is best on held-out pictures.

    Learning rates are tried with each network for a minute, beyond the usual ones as long as the smallest or the
    largest is best; then the two best networks for a quarter of the time that the best is trained for, and with the
    better of them all other settings likewise.

    Args:
        trials: those that were made, and those that are made now.
        peer: which.
        train: uint8 pictures that it may be trained on.
        held_out: floats, shape (N, C, H, W).
        setting: names the data.
        minutes: of the training that the choice is for.
    """
    options = trials.options

    def trial(choice: Choice, key: Key, minutes: float) -> Iterator[Row]:
        try:
            vae = peer.train(train, 2.0 if options.quick else 60 * minutes, choice, options.seed)
            nats = bounds.importance_nll(peer.judge(vae, held_out), held_out[:JUDGED], DRAWS)
        except ArithmeticError:  # which its trainer raises
            nats = math.inf
        yield Row(key, nats if math.isfinite(nats) else DIVERGED, "nats")

    def found(choice: Choice, minutes: float) -> float:
        key = Key(peer.name, f"validation NLL after {minutes:.3g} minutes", f"{setting}, {choice}", options.seed)
        with trials.within(f"{setting}, {peer.name}"):
            trials.measure([key], lambda: trial(choice, key, minutes))
        value = trials.value(key)
        return DIVERGED if value is None else value

    def longer(choice: Choice) -> float:
        return found(choice, SHARE * minutes)

    networks, variants = list(peer.networks), list(peer.variants)
    if options.quick:
        return min([Choice(networks[0], variants[0], LEARNING_RATES[0])], key=longer)
    first = [best_rate(Choice(name, variants[0], 0.0), lambda choice: found(choice, MINUTES)) for name in networks]
    finalists = sorted(first, key=lambda choice: found(choice, MINUTES))[:FINALISTS]
    best = min(finalists, key=longer)
    return min((replace(best, variant=variant) for variant in variants), key=longer)


def train_as_chosen(peer: Peer, train: Tensor, seconds: float, choice: Choice, seed: int) -> tuple[VAE, dict[str, Any]]:
    """Trains a peer with what suits it best; where that diverges after its trial, anew at the next smaller rate.

    Args:
        peer: which.
        train: uint8 pictures.
        seconds: of each training.
        choice: from `tuned`.
        seed: of weights and order.

    Returns:
        The model, and the choice as details of a row, with the rate that it was trained at where that is another.

    Raises:
        ArithmeticError: it diverges at the smallest rate, too.
    """
    facts, final = asdict(choice), choice
    while True:
        try:
            return peer.train(train, seconds, final, seed), facts
        except ArithmeticError:
            if final.learning_rate < SMALLEST_RATE:
                raise
            final = next_smaller(final)
            facts = {**asdict(choice), "diverged_until": final.learning_rate}


def best_rate(choice: Rated, found: Callable[[Rated], float]) -> Rated:
    """Returns a choice (a record with a `learning_rate`) with the best one, sought on as long as an end is best."""
    values = {rate: found(replace(choice, learning_rate=rate)) for rate in LEARNING_RATES}
    while (best := min(values, key=values.__getitem__)) in (min(values), max(values)):
        further = _rounded(best / STEP if best == min(values) else best * STEP)
        values[further] = found(replace(choice, learning_rate=further))
    return replace(choice, learning_rate=best)


def next_smaller(choice: Rated) -> Rated:
    """Returns a choice with the next smaller learning rate."""
    return replace(choice, learning_rate=_rounded(choice.learning_rate / STEP))


def _rounded(rate: float) -> float:
    return float(f"{rate:.1g}")
