"""How near samples are to real pictures: priors, the second stage, and Pythae's samplers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import features, mnist, ours
from benchmarks.baselines.pythae_peers import BINARY, SAMPLERS, Choice, Peer, eight_bit, sampled
from benchmarks.baselines.pythae_tuning import tuned
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.picture_sets import N_HELD_OUT, open_pictures
from latentia.metrics import frechet_distance, precision_recall
from latentia.runs import TrainedModel
from latentia.tasks import generate, present
from latentia.training.fit import fit
from latentia.training.second_stage import fit_second_stage, second_stage_config

PROTOCOL = (
    "10 000 samples (the likelihood's means, as 8-bit pictures) beside the 10 000 test pictures, in the 128 "
    "features of a convolutional classifier that was trained on the set's training pictures for 4 epochs and is "
    "kept beside the results; Frechet distance, and precision and recall with 3 neighbours. Every model is "
    "trained for 10 minutes. The second stage is our default prior, fitted to the model of the standard prior. "
    "Pythae 0.1.2's samplers with their own settings work on its own VAE (MNIST: binarised, else squared error; "
    "latents and learning rate are those that are best on held-out training pictures after two minutes); those that "
    "are trained have about 10 minutes too. 'Two halves' are the test pictures, one half beside the other. Seconds are "
    "of a warm model, prior, decoder and conversion to 8 bits together."
)
SETS = ("mnist", "fashion-mnist")
MINUTES, N = 10.0, 10_000
STANDARD, FLOW, STAGED = "Latentia, standard prior", "Latentia, flow prior", "Latentia, second stage"
REAL, PYTHAE = "two halves of the real pictures", "Pythae 0.1.2 VAE"
DISTANCE, PRECISION, RECALL = "Frechet distance", "precision", "recall"

Features = NDArray[np.float32]


class Judge:
    """Compares pictures of a set with its test pictures.

    Args:
        name: of the set.
        options: of the run; quick ones look at few pictures.
    """

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.n = 200 if options.quick else N
        source = open_pictures(name, options.mirror)
        train, test = (source.read(split) for split in source.splits)
        self.pixels = torch.from_numpy(train.x.reshape(-1, 1, 28, 28).copy())
        tested = torch.from_numpy(test.x.reshape(-1, 1, 28, 28).copy())
        self.classifier = features.classifier(name, self.pixels, torch.from_numpy(train.y), quick=options.quick)
        self.accuracy = self.classifier.accuracy(tested, torch.from_numpy(test.y))
        self.real = self.classifier.features(tested[: self.n])

    def rows(self, system: str, made: Tensor, seed: int, **details: Any) -> Iterator[Row]:
        """Yields the rows of a system that made some uint8 pictures (N, 1, 28, 28)."""
        return self.compared(system, self.real, self.classifier.features(made), seed, **details)

    def compared(self, system: str, real: Features, found: Features, seed: int, **details: Any) -> Iterator[Row]:
        """Yields the rows of pictures of which the features were found, beside those of real ones."""
        overlap = precision_recall(real, found)
        facts = {"n": len(found), "accuracy_of_the_classifier": self.accuracy, **details}
        keys = self.keys(system, seed)
        yield Row(keys[0], frechet_distance(real, found), "", details=facts)
        yield Row(keys[1], overlap.precision, "")
        yield Row(keys[2], overlap.recall, "")

    def keys(self, system: str, seed: int) -> list[Key]:
        """Returns the keys of `rows`."""
        return [Key(system, metric, self.name, seed) for metric in (DISTANCE, PRECISION, RECALL)]


def pictures(trained: TrainedModel, n: int, seed: int) -> Tensor:
    """Draws pictures, uint8 (N, 1, 28, 28)."""
    return torch.from_numpy(present(trained, generate(trained, n, seed))).permute(0, 3, 1, 2)


def trained_model(name: str, preset: str, options: Options) -> TrainedModel:
    """Trains one of ours."""
    minutes = 0.08 if options.quick else MINUTES
    return fit(ours.prepare_pictures(name, preset, options, max_minutes=minutes, epochs=100_000, patience=None)).trained


def standard_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Trains with the standard prior, samples, and samples again after a second stage."""
    options = results.options
    trained = trained_model(judge.name, "vae", options)
    yield from judge.rows(STANDARD, pictures(trained, judge.n, options.seed), options.seed)
    dataset = open_pictures(judge.name, options.mirror).load(trained.preprocessing)
    settings = {"prior_stage": {"steps": 30}} if options.quick else {}
    start = time.perf_counter()
    staged = fit_second_stage(trained, dataset, second_stage_config(trained.config, settings))
    facts = {"seconds": time.perf_counter() - start, "rate_before": staged.before, "rate_after": staged.after}
    yield from judge.rows(STAGED, pictures(staged.trained, judge.n, options.seed), options.seed, **facts)


def flow_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Trains with a flow prior."""
    options = results.options
    trained = trained_model(judge.name, "flow-prior", options)
    yield from judge.rows(FLOW, pictures(trained, judge.n, options.seed), options.seed)


def peer_of(name: str) -> Peer:
    """Returns Pythae's VAE for a set."""
    return BINARY[0] if name == "mnist" else eight_bit((1, 28, 28))


def chosen(judge: Judge, results: Results) -> Choice:
    """Returns what is best for Pythae's VAE."""
    options, grey = results.options, judge.pixels[-N_HELD_OUT:][: 20 if results.options.quick else None]
    held_out = mnist.held_out(options, N_HELD_OUT) if judge.name == "mnist" else grey.float() / 255
    return tuned(results, peer_of(judge.name), judge.pixels[:-N_HELD_OUT], held_out, judge.name)


def pythae_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Trains Pythae's VAE, and samples in all of its ways."""
    options, choice = results.options, chosen(judge, results)
    vae = peer_of(judge.name).train(judge.pixels, 4.0 if options.quick else 60 * MINUTES, choice, options.seed)
    torch.manual_seed(options.seed)
    pixels = judge.pixels[:1000] if options.quick else judge.pixels
    training = mnist.binarised(pixels) if judge.name == "mnist" else pixels.float() / 255
    for sampler in SAMPLERS:
        start = time.perf_counter()
        made = sampled(vae, sampler, training, judge.n, *([1] if options.quick else []))
        levels = (made.clamp(0, 1) * 255).round().to(torch.uint8)
        facts = {"seconds": time.perf_counter() - start, **asdict(choice)}
        yield from judge.rows(_peer(sampler), levels, options.seed, **facts)


def speed_key(seed: int) -> Key:
    """Returns the key of the time that samples take."""
    return Key("Latentia, default MNIST preset", "seconds for 1000 samples", "", seed)


def speed_rows(options: Options) -> Iterator[Row]:
    """Times 1000 samples of a model of the default MNIST preset's size with random weights."""
    training = ours.prepare_pictures("mnist", "mnist", options)
    training.model.requires_grad_(False).eval()
    times: list[float] = []
    for number in range(3 if options.quick else 9):
        start = time.perf_counter()
        assert len(pictures(training.trained, 1000, number)) == 1000
        times.append(time.perf_counter() - start)
    yield Row(speed_key(options.seed), float(np.median(times[1:])), "s", values=times[1:])


def real_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Compares one half of the test pictures with the other."""
    seed = results.options.seed
    order = np.random.default_rng(seed).permutation(len(judge.real))
    yield from judge.compared(REAL, *np.array_split(judge.real[order], 2), seed)


def _peer(sampler: str) -> str:
    return f"{PYTHAE}, {sampler} sampler"


def claims(results: Results, name: str) -> list[Claim]:
    """Returns the claims about a set."""
    seed = results.options.seed
    staged, standard = (Key(system, DISTANCE, name, seed) for system in (STAGED, STANDARD))
    peers = [results.value(Key(_peer(sampler), DISTANCE, name, seed)) for sampler in SAMPLERS]
    ours_, best = results.value(staged), None if None in peers else min(peers)
    return [
        *floor_and_goal(
            f"{name}, Frechet distance, second stage : standard prior",
            results.ratio(staged, standard),
            floor=0.5,
            goal=0.25,
            source="the same model with its standard normal prior, in the same run",
            higher_is_better=False,
        ),
        Claim(
            f"{name}, Frechet distance of the second stage below that of every Pythae sampler",
            "goal",
            ours_,
            best,
            "the best of Pythae 0.1.2's samplers, in the same run",
            ours_ is not None and best is not None and ours_ < best,
        ),
    ]


def measure_set(results: Results, judge: Judge) -> None:
    """Measures all systems on a set."""
    parts = {
        (REAL,): real_rows,
        (STANDARD, STAGED): standard_rows,
        (FLOW,): flow_rows,
        tuple(map(_peer, SAMPLERS)): pythae_rows,
    }
    for systems, rows in parts.items():
        keys = [key for system in systems for key in judge.keys(system, results.options.seed)]
        results.measure(keys, lambda rows=rows: rows(judge, results))


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("samples", PROTOCOL, options)
    for name in SETS:
        with results.within(name):
            measure_set(results, Judge(name, options))
    with results.within("seconds"):
        results.measure([speed_key(options.seed)], lambda: speed_rows(options))
    speed = floor_and_goal(
        "1000 MNIST samples, s",
        results.value(speed_key(options.seed)),
        floor=1.0,
        goal=None,
        source="set for this project",
        higher_is_better=False,
    )
    results.finish([*(claim for name in SETS for claim in claims(results, name)), *speed])


if __name__ == "__main__":
    main(parse(__doc__))
