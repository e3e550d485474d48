"""How near samples are to real pictures: priors, the second stage, and Pythae's samplers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import ours
from benchmarks.baselines.pythae_peers import BINARY, Choice
from benchmarks.baselines.pythae_samplers import SAMPLERS
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.picture_sets import open_pictures
from benchmarks.pythae_samples import best_way, measure_samplers, peer_name
from benchmarks.pythae_settings import for_digits, for_eight_bit, open_trials
from benchmarks.sample_judge import DISTANCE, Judge
from latentia.runs import TrainedModel
from latentia.tasks import generate, present
from latentia.training.second_stage import fit_second_stage, second_stage_config

PROTOCOL = (
    "10 000 samples (the likelihood's means, as 8-bit pictures) beside the 10 000 test pictures, in the 128 features "
    "of a convolutional classifier that was trained on the set's training pictures for 4 epochs and is kept beside "
    "the results; Frechet distance, and precision and recall with 3 neighbours. Every model is trained for at most "
    "10 minutes; the second stage is our default prior, fitted to the model of the standard prior, which leaves it "
    "time for that. Pythae 0.1.2's samplers work on its own VAE, with the network and learning rate that "
    "`pythae_settings` chose; latents, loss and pixels (digits binarised or grey) are those whose samples from a "
    "mixture of 50 normal distributions are nearest to held-out training pictures after a quarter of the time. The "
    "number of components of its mixture, and the learning rates of those samplers that are trained, for 5 minutes "
    "more (trials: a quarter of that), codes not included, are chosen likewise. Deviations are of 50 bootstrap "
    "samples of the pictures; 'ahead' means by 1.96 of both together. 'Two halves' are of the test pictures and as "
    "many training pictures, mixed: 10 000 beside 10 000, as for all systems. Seconds are of a warm model, prior, "
    "decoder and conversion to 8 bits together; its weights are at random, which take the same time."
)
SETS = ("mnist", "fashion-mnist")
MINUTES = 9.8  # with all that comes before the gradient steps
MINUTES_BEFORE_STAGE = 7.2
STANDARD, FLOW, STAGED = "Latentia, standard prior", "Latentia, flow prior", "Latentia, second stage"
REAL = "two halves of the real pictures"


def pictures(trained: TrainedModel, n: int, seed: int) -> Tensor:
    """Draws pictures, uint8 (N, 1, 28, 28)."""
    return torch.from_numpy(present(trained, generate(trained, n, seed))).permute(0, 3, 1, 2)


def trained_model(name: str, preset: str, options: Options, minutes: float = MINUTES) -> TrainedModel:
    """Trains one of ours."""
    return ours.fit_within(0.1 if options.quick else minutes, name, preset, options)


def training_key(system: str, name: str, seed: int) -> Key:
    """Returns the key of the time of a training."""
    return Key(system, ours.TRAINING, name, seed)


def standard_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Trains with the standard prior, samples, and samples again after a second stage."""
    options, start = results.options, time.perf_counter()
    trained = trained_model(judge.name, "vae", options, MINUTES_BEFORE_STAGE)
    first = time.perf_counter() - start
    yield from judge.rows(STANDARD, pictures(trained, judge.n, options.seed), options.seed)
    start = time.perf_counter()
    dataset = open_pictures(judge.name, options.mirror).load(trained.preprocessing)
    settings = {"prior_stage": {"seed": options.seed, **({"steps": 30} if options.quick else {})}}
    staged = fit_second_stage(trained, dataset, second_stage_config(trained.config, trained.data.n_train, settings))
    second = time.perf_counter() - start
    yield Row(training_key(STAGED, judge.name, options.seed), (first + second) / 60, "min")
    facts = {"seconds": second, "rate_before": staged.before, "rate_after": staged.after}
    yield from judge.rows(STAGED, pictures(staged.trained, judge.n, options.seed), options.seed, **facts)


def flow_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Trains with a flow prior."""
    options, start = results.options, time.perf_counter()
    trained = trained_model(judge.name, "flow-prior", options)
    yield Row(training_key(FLOW, judge.name, options.seed), (time.perf_counter() - start) / 60, "min")
    yield from judge.rows(FLOW, pictures(trained, judge.n, options.seed), options.seed)


def chosen(trials: Results, name: str) -> Choice:
    """Returns what makes Pythae's VAE most likely."""
    return for_digits(trials, BINARY[0]) if name == "mnist" else for_eight_bit(trials, name)


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
        pictures(training.trained, 1000, number)
        times.append(time.perf_counter() - start)
    yield Row(speed_key(options.seed), float(np.median(times[1:])), "s", values=times[1:])


def real_rows(judge: Judge, results: Results) -> Iterator[Row]:
    """Compares one half of real pictures with the other; distances of fewer pictures are larger."""
    seed = results.options.seed
    both = np.random.default_rng(seed).permutation(np.concatenate([judge.real, judge.learned]))
    yield from judge.compared(REAL, *np.array_split(both, 2), seed)


def claims(results: Results, name: str) -> list[Claim]:
    """Returns the claims about a set."""
    seed = results.options.seed
    staged, standard, *peers = (
        Key(system, DISTANCE, name, seed) for system in (STAGED, STANDARD, *map(peer_name, SAMPLERS))
    )
    found = [results.find(key) for key in peers]
    unknown = any(row is None or row["details"].get("failed") for row in found)
    best = None if unknown else min(found, key=lambda row: row["value"])
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
            results.value(staged),
            None if best is None else best["value"],
            "the best of Pythae 0.1.2's samplers, in the same run",
            below(results.find(staged), best),
        ),
    ]


def below(row: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether a distance is smaller than another by more than both are uncertain."""
    if row is None or other is None or None in (row["spread"], other["spread"]):  # those of old have none
        return False
    return bool(row["value"] + 1.96 * math.hypot(row["spread"], other["spread"]) < other["value"])


def measure_set(results: Results, trials: Results, judge: Judge) -> None:
    """Measures all systems on a set."""
    seed = results.options.seed
    ours_ = [training_key(system, judge.name, seed) for system in (STAGED, FLOW)]

    def keys(*systems: str) -> list[Key]:
        return [key for system in systems for key in judge.keys(system, seed)]

    results.measure(keys(REAL), lambda: real_rows(judge, results), judge.match)
    results.measure([*keys(STANDARD, STAGED), ours_[0]], lambda: standard_rows(judge, results), judge.match)
    results.measure([*keys(FLOW), ours_[1]], lambda: flow_rows(judge, results), judge.match)
    peers = keys(*map(peer_name, SAMPLERS))
    if not results.measured_elsewhere(peers):
        way = best_way(results, judge, chosen(trials, judge.name))
        measure_samplers(results, judge, way)


def main(options: Options) -> None:
    """Runs the benchmark."""
    results, trials = Results("samples", PROTOCOL, options), open_trials(options)
    for name in SETS[:1] if options.quick else SETS:
        with results.within(name):
            measure_set(results, trials, Judge(name, options))
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
    trainings = [training_key(system, name, options.seed) for name in SETS for system in (STAGED, FLOW)]
    about_sets = [claim for name in SETS for claim in claims(results, name)]
    results.finish([*about_sets, *ours.longest_training(results, trainings), *speed])


if __name__ == "__main__":
    main(parse(__doc__))
