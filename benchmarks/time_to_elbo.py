"""Wall-clock time to the best MNIST test ELBO that Pythae's ConvVAE reaches in 20 minutes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks import bounds, mnist, ours
from benchmarks.baselines import pythae_vae
from benchmarks.harness import Key, Options, Results, Row, floor_and_goal, parse
from latentia.training.fit import fit

PROTOCOL = (
    "MNIST, dynamically binarised; test set (10 000) resampled once with a fixed seed; ELBO in nats, one posterior "
    "sample per image, by the same code for both. Pythae 0.1.2's ConvVAE trains for 20 minutes in its own trainer "
    "with its own MNIST settings (Adam, batch 100, latent 16) and whichever learning rate of 1e-3, 3e-4, 1e-4 has the "
    "best ELBO on 5000 held-out training pictures after 2 minutes; its weights are kept each minute, evaluated outside "
    "of the clock, and its best ELBO along the way is the mark. Ours: the default MNIST preset with max_minutes 3, "
    "weights kept every 5 s; its time is that of the first that are at least as good. Both clocks count training only, "
    "without imports and reading."
)
PYTHAE = "Pythae 0.1.2 ConvVAE"
OURS = "Latentia, default MNIST preset"
PYTHAE_ELBO = Key(PYTHAE, "best test ELBO")
PYTHAE_TIME = Key(PYTHAE, "training time to that ELBO")
OUR_ELBO = Key(OURS, "test ELBO at the mark")
OUR_TIME = Key(OURS, "training time to that ELBO")
OUR_MINUTES = 3.0
N_VALIDATION = 5000

Trace = list[tuple[float, float]]


def tuning_key(rate: float) -> Key:
    """Returns the key of a learning rate's row."""
    return Key(PYTHAE, "validation ELBO after 2 minutes", f"learning rate {rate:g}")


def tuning_row(options: Options, rate: float) -> Iterator[Row]:
    """Trains Pythae for a short time with a learning rate, and evaluates it on held-out training pictures."""
    pixels = mnist.images(options, "train")
    count = min(N_VALIDATION, len(pixels) // 5)
    held_out = mnist.binarised(pixels[-count:], torch.Generator().manual_seed(options.seed))
    vae, _ = pythae_vae.train_for(
        pixels[:-count], 10.0 if options.quick else 120.0, learning_rate=rate, seed=options.seed
    )
    part = held_out[: 500 if options.quick else None]
    yield Row(tuning_key(rate), -sum(bounds.elbo(pythae_vae.PythaeVAE(vae), part)), "nats")


def pythae_trace(options: Options, rate: float) -> Trace:
    """Returns (seconds of training, test ELBO in nats) along Pythae's training."""
    seconds, every = (40.0, 20.0) if options.quick else (1200.0, 60.0)
    pixels = mnist.images(options, "train")
    test = _test(options)
    vae, snapshots = pythae_vae.train_for(pixels, seconds, every, learning_rate=rate, seed=options.seed)
    trace: Trace = []
    for elapsed, weights in snapshots:
        vae.load_state_dict(weights)
        trace.append((elapsed, -sum(bounds.elbo(pythae_vae.PythaeVAE(vae), test))))
    return trace


def our_trace(options: Options) -> Trace:
    """Returns (seconds of training, test ELBO in nats) along our training, weights averaged as in the result."""
    minutes, every = (0.4, 8.0) if options.quick else (OUR_MINUTES, 5.0)
    watch = ours.Stopwatch(snapshot_every=every)
    trained = ours.ended(fit(ours.prepare_mnist(options, max_minutes=minutes), callbacks=[watch]))
    test = _test(options)
    trace: Trace = []
    for elapsed, weights in watch.snapshots:
        trained.model.load_state_dict(weights)
        trace.append((elapsed, -sum(bounds.elbo(trained.model, test))))
    return trace


def pythae_rows(options: Options, rate: float) -> Iterator[Row]:
    """Trains Pythae and finds its best ELBO and when it was reached."""
    trace = pythae_trace(options, rate)
    best_time, best = max(trace, key=lambda point: point[1])
    yield Row(PYTHAE_ELBO, best, "nats", details={"learning_rate": rate, "trace": trace})
    yield Row(PYTHAE_TIME, best_time, "s")


def our_rows(options: Options, mark: float) -> Iterator[Row]:
    """Trains ours and finds when it was first as good; the end of the training where it never was."""
    trace = our_trace(options)
    reached = [point for point in trace if point[1] >= mark]
    seconds, elbo = (reached or trace[-1:])[0]
    yield Row(OUR_ELBO, elbo, "nats", details={"trace": trace, "reached": bool(reached)})
    yield Row(OUR_TIME, seconds, "s")


def _test(options: Options) -> Tensor:
    return mnist.resampled_test(options, 500 if options.quick else None)


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("time_to_elbo", PROTOCOL, options)
    for rate in pythae_vae.LEARNING_RATES:
        results.measure([tuning_key(rate)], lambda rate=rate: tuning_row(options, rate))
    best = max(pythae_vae.LEARNING_RATES, key=lambda rate: results.value(tuning_key(rate)))
    results.measure([PYTHAE_ELBO, PYTHAE_TIME], lambda: pythae_rows(options, best))
    mark = results.value(PYTHAE_ELBO)
    results.measure([OUR_ELBO, OUR_TIME], lambda: our_rows(options, mark))
    reached = results.find(OUR_ELBO)["details"]["reached"]
    results.finish(
        floor_and_goal(
            "training time to Pythae's best test ELBO, Pythae's : ours",
            results.ratio(PYTHAE_TIME, OUR_TIME) if reached else None,
            floor=10,
            goal=25,
            source="Pythae 0.1.2's MNIST ConvVAE, 20 minutes, measured in the same run",
            higher_is_better=True,
        )
    )


if __name__ == "__main__":
    main(parse(__doc__))
