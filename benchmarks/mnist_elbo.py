"""Test -ELBO of the default MNIST preset after 15 minutes of training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bounds, mnist, ours
from benchmarks.harness import Key, Options, Results, Row, floor_and_goal, parse

PROTOCOL = (
    "`latentia train mnist --max-minutes 15` on dynamically binarised MNIST (60 000 training pictures less a "
    "validation split), then -ELBO in nats on the 10 000 test pictures, resampled once with a fixed seed, one "
    "posterior sample per picture. IWAE-128: importance-weighted bound with 128 samples on the first 1000 of them. "
    "The command's own `evaluate`, with a resampling of its own, stands beside it as a check."
)
SYSTEM = "Latentia, default MNIST preset"


def rows(options: Options) -> Iterator[Row]:
    """Trains once and evaluates."""
    minutes, n_test, n_importance = (0.3, 1000, 40) if options.quick else (15.0, None, 1000)
    test = mnist.resampled_test(options, n_test)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        finished = ours.train_mnist(run, options, minutes=minutes)
        model = ours.model(run)
        distortion, rate = bounds.elbo(model, test)
        details = {"command_seconds": finished.seconds}
        yield Row(_key("test -ELBO", options), distortion + rate, "nats", details=details)
        yield Row(_key("distortion", options), distortion, "nats")
        yield Row(_key("rate", options), rate, "nats")
        metrics = ours.evaluate_mnist(run, Path(folder) / "evaluation", options)
        yield Row(_key("test -ELBO by `latentia evaluate`", options), -metrics["elbo_nats"], "nats")
        nll = bounds.importance_nll(model, test[:n_importance], n_samples=128)
        yield Row(_key("IWAE-128 bound of -log p(x)", options), nll, "nats", details={"n": n_importance})


def _key(metric: str, options: Options) -> Key:
    return Key(SYSTEM, metric, "15 minutes", options.seed)


METRICS = (
    "test -ELBO",
    "distortion",
    "rate",
    "test -ELBO by `latentia evaluate`",
    "IWAE-128 bound of -log p(x)",
)


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("mnist_elbo", PROTOCOL, options)
    results.measure([_key(metric, options) for metric in METRICS], lambda: rows(options))
    results.finish(
        floor_and_goal(
            "MNIST preset, test -ELBO after at most 15 minutes, nats",
            results.value(_key("test -ELBO", options)),
            floor=88.5,
            goal=86.5,
            source="an early trial of this project reached 88.8 after 10 minutes, on a CPU with native bf16",
            higher_is_better=False,
        )
    )


if __name__ == "__main__":
    main(parse(__doc__))
