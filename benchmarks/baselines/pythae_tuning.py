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


def tuned(results: Results, peer: Peer, pixels: Tensor, held_out: Tensor, setting: str) -> float:
    """Returns the learning rate with which a peer is best on held-out training pictures after a minute."""
    options = results.options

    def trial(rate: float) -> Iterator[Row]:
        vae = peer.train(pixels[:-N_VALIDATION], 2.0 if options.quick else 60.0, rate, options.seed)
        model = peer.judge(vae, pixels[:TRAINED_ON].float() / 255)
        yield Row(key(rate), bounds.importance_nll(model, held_out[:200], 10), "nats")

    def key(rate: float) -> Key:
        return Key(peer.name, "validation NLL after a minute", f"{setting}, learning rate {rate:g}")

    rates = LEARNING_RATES[:1] if options.quick else LEARNING_RATES
    for rate in rates:
        results.measure([key(rate)], lambda rate=rate: trial(rate))
    return min(rates, key=lambda rate: results.value(key(rate)))
