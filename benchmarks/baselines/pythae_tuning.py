"""Settings of Pythae's models, chosen on held-out training pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from benchmarks import bounds
from benchmarks.baselines.pythae_peers import Choice, Peer
from benchmarks.baselines.pythae_vae import LEARNING_RATES
from benchmarks.harness import Key, Results, Row

STEP = 3.0  # times, from one learning rate to the next
SECONDS = 120.0  # of a trial: after one minute, on slow machines, its networks have hardly begun
JUDGED, DRAWS = 200, 10  # held-out pictures and importance samples of a trial
DIVERGED = 1e6  # nats


def tuned(results: Results, peer: Peer, train: Tensor, held_out: Tensor, setting: str) -> Choice:
    """Returns the variant and the learning rate with which a peer is best on held-out pictures after two minutes.

    Learning rates are tried on the first variant, beyond the usual ones as long as the smallest or the largest is best;
    then the other variants with the best rate.

    Args:
        results: of the benchmark, which keeps the trials.
        peer: which.
        train: uint8 pictures that it may be trained on.
        held_out: floats, shape (N, C, H, W).
        setting: names the data.
    """
    options = results.options

    def trial(choice: Choice) -> Iterator[Row]:
        try:
            vae = peer.train(train, 2.0 if options.quick else SECONDS, choice, options.seed)
            nats = bounds.importance_nll(peer.judge(vae, held_out), held_out[:JUDGED], DRAWS)
        except ArithmeticError:  # which its trainer raises
            nats = math.inf
        yield Row(key(choice), nats if math.isfinite(nats) else DIVERGED, "nats")

    def key(choice: Choice) -> Key:
        what = f"{setting}, {choice.variant}, learning rate {choice.learning_rate:g}"
        return Key(peer.name, "validation NLL after two minutes", what, options.seed)

    def found(choice: Choice) -> float:
        with results.within(f"{setting}, settings of {peer.name}"):
            results.measure([key(choice)], lambda: trial(choice))
        value = results.value(key(choice))
        return DIVERGED if value is None else value

    first = next(iter(peer.variants))
    if options.quick:
        return min([Choice(first, LEARNING_RATES[0])], key=found)
    values = {rate: found(Choice(first, rate)) for rate in LEARNING_RATES}
    while (best := min(values, key=values.__getitem__)) in (min(values), max(values)):
        further = float(f"{best / STEP if best == min(values) else best * STEP:.1g}")
        values[further] = found(Choice(first, further))
    return min((Choice(variant, best) for variant in peer.variants), key=found)
