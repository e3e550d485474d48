"""Log likelihood of pictures: priors, bounds and Pythae at equal time, on binary MNIST and on three 8-bit sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import bounds, mnist, ours
from benchmarks.baselines.pythae_peers import BINARY, Peer, eight_bit
from benchmarks.baselines.pythae_tuning import N_VALIDATION, TRAINED_ON, tuned
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.picture_sets import open_pictures
from latentia.models import LatentModel
from latentia.presets import PRESETS
from latentia.training.fit import fit

PROTOCOL = (
    "Binary MNIST: dynamically binarised, 15 minutes of training each; negative log likelihood in nats by "
    "importance sampling, 200 samples, on 2000 test pictures that were binarised once, by the same code for all. "
    "The best of ours on 500 held-out training pictures is trained with two more seeds, and once for 60 minutes, "
    "measured with 1000 samples on all 10 000 test pictures. 8-bit sets: 8 minutes each, bits per dimension from "
    "50 importance samples on 1000 test pictures, as a probability on the grid of 256 levels; Pythae's squared "
    "error is given the scale of its own errors. Pythae 0.1.2 has its own networks and trainer, and whichever of "
    "three learning rates, and of smaller ones while the smallest is best, is best on held-out training pictures after "
    "three minutes. Leads are means over pictures with the paired 95 % interval."
)
OURS = tuple(name for name in ("vae", "iwae", "vamp", "flow-prior", "ladder") if name in PRESETS)
EIGHT_BIT = ("cifar10-part", "fashion-mnist", "omniglot-small")
VARIANTS = tuple(name for name in ("flow-prior", "ladder") if name in PRESETS)
NLL, VALIDATION, BITS, LEAD = "NLL", "validation NLL", "bits per dimension", "lead"
FIFTEEN, SIXTY, EIGHT = "15 minutes", "60 minutes", "8 minutes"
DIGITS = 4  # of the figures of single pictures
FOREVER = 100_000  # epochs: the clock ends the training


def system(preset: str) -> str:
    """Names one of ours."""
    return f"Latentia, preset {preset}"


def train_ours(name: str, preset: str, options: Options, minutes: float) -> LatentModel:
    """Trains one of ours for a time."""
    prepared = ours.prepare_pictures(name, preset, options, max_minutes=minutes, epochs=FOREVER, patience=None)
    kept = prepared.train[prepared.train < len(prepared.dataset) - N_VALIDATION]
    return fit(replace(prepared, train=kept)).trained.model


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
    """Measures how far one system is ahead of another, picture by picture."""

    def rows() -> Iterator[Row]:
        ahead = np.subtract(*(results.find(key)["values"] for key in (other, one)))
        half = 1.96 * float(ahead.std(ddof=1)) / math.sqrt(len(ahead))
        mean = float(ahead.mean())
        relative = 100 * mean / results.value(other)
        yield Row(key, mean, unit, details={"low": mean - half, "high": mean + half, "percent": relative})

    results.measure([key], rows)


def low(results: Results, keys: Sequence[Key]) -> float | None:
    """Returns the smallest lower end of the intervals of leads; None while one is missing."""
    rows = [results.find(key) for key in keys]
    return None if None in rows else min(row["details"]["low"] for row in rows)


def binary_mnist(results: Results) -> list[Claim]:
    """Measures all systems on binary MNIST, and returns the claims."""
    options, quick = results.options, results.options.quick
    n_test, n, minutes = (40, 10, 0.08) if quick else (2000, 200, 15.0)
    held_out, test = mnist.held_out(options, N_VALIDATION), mnist.resampled_test(options)
    x = (held_out, test[:n_test])

    def run(preset: str, seed: int, key: Key, minutes: float, x: tuple[Tensor, Tensor], n: int) -> None:
        seeded = replace(options, seed=seed)
        results.measure(pair(key), lambda: judged(train_ours("mnist", preset, seeded, minutes), key, x, n, "nats"))

    for preset in OURS:
        run(preset, options.seed, _nll(preset, options.seed), minutes, x, n)
    best = min(OURS, key=lambda name: results.value(_nll(name, options.seed)._replace(metric=VALIDATION)))
    for seed in () if quick else (options.seed + 1, options.seed + 2):
        run(best, seed, _nll(best, seed), minutes, x, n)
    leads: list[Key] = []
    for peer in BINARY:
        pixels = mnist.images(options, "train")
        rate = tuned(results, peer, pixels, held_out, "binary MNIST")
        key = Key(peer.name, NLL, FIFTEEN, options.seed)

        def peer_rows(peer: Peer = peer, rate: float = rate, key: Key = key) -> Iterator[Row]:
            vae = peer.train(mnist.images(options, "train")[:-N_VALIDATION], 60 * minutes, rate, options.seed)
            yield from judged(peer.judge(vae, x[0]), key, x, n, "nats", learning_rate=rate)

        results.measure(pair(key), peer_rows)
        leads.append(Key(system(best), LEAD, f"over {peer.name}, {FIFTEEN}"))
        lead(results, leads[-1], _nll(best, options.seed), key, "nats")
    long = Key(system(best), NLL, f"{SIXTY}, all test pictures", options.seed)
    run(
        best,
        options.seed,
        long,
        0.1 if quick else 60.0,
        (held_out, test[: 40 if quick else None]),
        20 if quick else 1000,
    )
    return [
        *floor_and_goal(
            "binary MNIST, NLL of the best of ours after 60 minutes, nats",
            results.value(long),
            floor=82.0,
            goal=80.0,
            source="set for this project; published: 78.6 (arXiv:1905.13452), 84.6 (IWAE, arXiv:1509.00519)",
            higher_is_better=False,
        ),
        *floor_and_goal(
            "binary MNIST, lead of the best of ours over every Pythae model at equal time, nats (lower end)",
            low(results, leads),
            floor=0.0,
            goal=None,
            source="Pythae 0.1.2's VAE, IWAE and VAMP, in the same run",
            higher_is_better=True,
        ),
    ]


def _nll(preset: str, seed: int) -> Key:
    return Key(system(preset), NLL, FIFTEEN, seed)


def eight_bit_set(results: Results, name: str) -> list[Claim]:
    """Measures ours and Pythae's VAE on a set of 8-bit pictures, and returns the claims."""
    options, quick = results.options, results.options.quick
    n_test, n, minutes = (30, 5, 0.05) if quick else (1000, 50, 8.0)
    source = open_pictures(name, mnist.mirror(options))
    pixels, tested = (_pixels(source.read(split).x) for split in source.splits)
    held_out = pixels[-N_VALIDATION:][: 20 if quick else None]
    x = (held_out.float() / 255, tested[:n_test].float() / 255)
    setting = f"{name}, {EIGHT}"
    keys = {preset: Key(system(preset), BITS, setting, options.seed) for preset in VARIANTS}
    for preset, key in keys.items():

        def our_rows(preset: str = preset, key: Key = key) -> Iterator[Row]:
            yield from judged(train_ours(name, preset, options, minutes), key, x, n, BITS)

        results.measure(pair(key), our_rows)
    peer = eight_bit(tuple(pixels.shape[1:]))
    rate = tuned(results, peer, pixels, x[0], name)
    theirs = Key(peer.name, BITS, setting, options.seed)

    def peer_rows() -> Iterator[Row]:
        vae = peer.train(pixels[:-N_VALIDATION], 60 * minutes, rate, options.seed)
        model = peer.judge(vae, pixels[:TRAINED_ON].float() / 255)
        yield from judged(model, theirs, x, n, BITS, learning_rate=rate)

    results.measure(pair(theirs), peer_rows)
    best = min(VARIANTS, key=lambda preset: results.value(keys[preset]._replace(metric=VALIDATION)))
    ahead = Key(system(best), LEAD, f"over {peer.name}, {setting}")
    lead(results, ahead, keys[best], theirs, BITS)
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


def _pixels(x: NDArray[np.uint8]) -> Tensor:
    """Returns pictures (N, H, W) or (N, H, W, C) as (N, C, H, W)."""
    return torch.from_numpy(x.reshape(*x.shape[:3], -1)).permute(0, 3, 1, 2).contiguous()


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("density", PROTOCOL, options)
    claims = binary_mnist(results)
    parts: list[Callable[[], list[Claim]]] = [lambda name=name: eight_bit_set(results, name) for name in EIGHT_BIT]
    for part in parts:
        claims += part()
    results.finish(claims)


if __name__ == "__main__":
    main(parse(__doc__))
