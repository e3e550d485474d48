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
MINUTES = 2.0  # of a trial: after one minute, on slow machines, its networks have hardly begun
SHARE = 0.25  # of the time that it is trained for in the end: small variants are ahead at first
JUDGED, DRAWS = 200, 10  # held-out pictures and importance samples of a trial
DIVERGED = 1e6  # nats


def tuned(results: Results, peer: Peer, train: Tensor, held_out: Tensor, setting: str, minutes: float) -> Choice:
    """Returns the variant and the learning rate with which a peer is best on held-out pictures.

    Learning rates are tried on the first variant for two minutes, beyond the usual ones as long as the smallest or the
    largest is best; then all variants with the best rate, for a quarter of the time that the best is trained for.

    Args:
        results: of the benchmark, which keeps the trials.
        peer: which.
        train: uint8 pictures that it may be trained on.
        held_out: floats, shape (N, C, H, W).
        setting: names the data.
        minutes: of the training that the choice is for.
    """
    options = results.options

    def trial(choice: Choice, key: Key, minutes: float) -> Iterator[Row]:
        try:
            vae = peer.train(train, 2.0 if options.quick else 60 * minutes, choice, options.seed)
            nats = bounds.importance_nll(peer.judge(vae, held_out), held_out[:JUDGED], DRAWS)
        except ArithmeticError:  # which its trainer raises
            nats = math.inf
        yield Row(key, nats if math.isfinite(nats) else DIVERGED, "nats")

    def found(choice: Choice, minutes: float = MINUTES) -> float:
        what = f"{setting}, {choice.variant}, learning rate {choice.learning_rate:g}"
        key = Key(peer.name, f"validation NLL after {minutes:.3g} minutes", what, options.seed)
        with results.within(f"{setting}, settings of {peer.name}"):
            results.measure([key], lambda: trial(choice, key, minutes))
        value = results.value(key)
        return DIVERGED if value is None else value

    first = next(iter(peer.variants))
    if options.quick:
        return min([Choice(first, LEARNING_RATES[0])], key=found)
    values = {rate: found(Choice(first, rate)) for rate in LEARNING_RATES}
    while (best := min(values, key=values.__getitem__)) in (min(values), max(values)):
        further = float(f"{best / STEP if best == min(values) else best * STEP:.1g}")
        values[further] = found(Choice(first, further))
    return min((Choice(variant, best) for variant in peer.variants), key=lambda choice: found(choice, SHARE * minutes))
