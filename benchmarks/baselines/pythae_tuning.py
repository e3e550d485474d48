"""The learning rate of Pythae's models, chosen on held-out training pictures."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from benchmarks import bounds
from benchmarks.baselines.pythae_peers import Peer
from benchmarks.baselines.pythae_vae import LEARNING_RATES
from benchmarks.harness import Key, Results, Row

N_VALIDATION = 500
TRAINED_ON = 400  # training pictures by which the scale of Pythae's squared error is found
SMALLER = 3.0  # times, the next learning rate
SECONDS = 120.0  # of a trial: after one minute, on slow machines, its networks have hardly begun


def tuned(results: Results, peer: Peer, pixels: Tensor, held_out: Tensor, setting: str) -> float:
    """Returns the learning rate with which a peer is best on held-out training pictures after two minutes.

    Smaller ones are tried as long as the smallest is best.
    """
    options = results.options

    def trial(rate: float) -> Iterator[Row]:
        vae = peer.train(pixels[:-N_VALIDATION], 2.0 if options.quick else SECONDS, rate, options.seed)
        model = peer.judge(vae, pixels[:TRAINED_ON].float() / 255)
        yield Row(key(rate), bounds.importance_nll(model, held_out[:200], 10), "nats")

    def key(rate: float) -> Key:
        return Key(peer.name, "validation NLL after two minutes", f"{setting}, learning rate {rate:g}")

    def found(rate: float) -> float:
        results.measure([key(rate)], lambda: trial(rate))
        return results.value(key(rate))

    if options.quick:
        return min(LEARNING_RATES[:1], key=found)
    values = {rate: found(rate) for rate in LEARNING_RATES}
    while (best := min(values, key=values.__getitem__)) == min(values):
        smaller = float(f"{best / SMALLER:.1g}")
        values[smaller] = found(smaller)
    return best
