"""How near samples are to real pictures: priors, the second stage, and Pythae's samplers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import features, mnist, ours
from benchmarks.baselines.pythae_peers import BINARY, Choice, Peer, eight_bit
from benchmarks.baselines.pythae_samplers import SAMPLERS, Setting, sampled, settings_of
from benchmarks.baselines.pythae_tuning import train_as_chosen, tuned
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.picture_sets import held_out_rows, open_pictures
from latentia.metrics import frechet_distance, precision_recall
from latentia.runs import TrainedModel
from latentia.tasks import generate, present
from latentia.training.second_stage import fit_second_stage, second_stage_config

PROTOCOL = (
    "10 000 samples (the likelihood's means, as 8-bit pictures) beside the 10 000 test pictures, in the 128 features "
    "of a convolutional classifier that was trained on the set's training pictures for 4 epochs and is kept beside "
    "the results; Frechet distance, and precision and recall with 3 neighbours. Every model is trained for at most "
    "10 minutes; the second stage is our default prior, fitted to the model of the standard prior, which leaves it "
    "time for that. Pythae 0.1.2's samplers work on its own VAE, whose network, settings, learning rate and "
    "statistics of batch normalisation are those that are best on held-out training pictures; the number of "
    "components of its mixture, and the learning rates of those samplers that are trained, for 5 minutes more, codes "
    "not included, are those whose samples are nearest to held-out training pictures. Deviations are of 50 bootstrap "
    "samples of the pictures; 'ahead' means by 1.96 of both together. 'Two halves' are of the test pictures and as "
    "many training pictures, mixed: 10 000 beside 10 000, as for all systems. Seconds are of a warm model, prior, "
    "decoder and conversion to 8 bits together; its weights are at random, which take the same time."
)
SETS = ("mnist", "fashion-mnist")
MINUTES, N = 9.8, 10_000  # with all that comes before the gradient steps
MINUTES_BEFORE_STAGE = 7.6
MINUTES_OF_PEERS, MINUTES_OF_SAMPLERS = 10.0, 5.0
RESAMPLED = 50
QUICK = 20  # held-out pictures of a quick run
FAILED = 1e6  # stands for the figures of a sampler that made no pictures with any setting
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
        source = open_pictures(name, options.mirror)
        train, test = (source.read(split) for split in source.splits)
        self.pixels, tested = mnist.grey_pictures(train.x), mnist.grey_pictures(test.x)
        self.n = min(200 if options.quick else N, len(self.pixels), len(tested))  # of each, since numbers matter
        rows = held_out_rows(train.y)
        self.known = self.pixels[rows]
        self.trained_on = self.pixels[np.setdiff1d(np.arange(len(self.pixels)), rows)]
        self.classifier = features.classifier(name, self.pixels, torch.from_numpy(train.y), quick=options.quick)
        self.accuracy = self.classifier.accuracy(tested, torch.from_numpy(test.y))
        self.real = self.classifier.features(tested[: self.n])
        self.learned = self.classifier.features(self.pixels[: self.n])
        self.held_out = self.classifier.features(self.known)

    def rows(self, system: str, made: Tensor, seed: int, **details: Any) -> Iterator[Row]:
        """Yields the rows of a system that made some uint8 pictures (N, 1, 28, 28)."""
        return self.compared(system, self.real, self.classifier.features(made), seed, **details)

    def compared(self, system: str, real: Features, found: Features, seed: int, **details: Any) -> Iterator[Row]:
        """Yields the rows of pictures of which the features were found, beside those of real ones."""
        overlap = precision_recall(real, found)
        facts = {"n": len(found), "accuracy_of_the_classifier": self.accuracy, **details}
        keys = self.keys(system, seed)
        spread = deviation(real, found, seed)
        yield Row(keys[0], frechet_distance(real, found), "", spread=spread, details=facts)
        yield Row(keys[1], overlap.precision, "")
        yield Row(keys[2], overlap.recall, "")

    def misfit(self, made: Tensor) -> float:
        """Returns the distance of uint8 pictures to held-out training pictures, by which settings are chosen."""
        return frechet_distance(self.held_out, self.classifier.features(made))

    def keys(self, system: str, seed: int) -> list[Key]:
        """Returns the keys of `rows`."""
        return [Key(system, metric, self.name, seed) for metric in (DISTANCE, PRECISION, RECALL)]


def deviation(real: Features, found: Features, seed: int) -> float:
    """Returns the standard deviation of the distance over bootstrap samples of both."""
    generator = np.random.default_rng(seed)

    def drawn(x: Features) -> Features:
        return x[generator.integers(len(x), size=len(x))]

    return float(np.std([frechet_distance(drawn(real), drawn(found)) for _ in range(RESAMPLED)], ddof=1))


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
    staged = fit_second_stage(trained, dataset, second_stage_config(trained.config, settings))
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


def peer_of(name: str) -> Peer:
    """Returns Pythae's VAE for a set."""
    return BINARY[0] if name == "mnist" else eight_bit((1, 28, 28))


def held_out(judge: Judge, options: Options) -> Tensor:
    """Returns the training pictures that Pythae's settings are chosen on, floats (N, 1, 28, 28)."""
    binary = judge.name == "mnist"
    known = mnist.held_out(options) if binary else judge.known.float() / 255
    return known[: QUICK if options.quick else None]


def chosen(judge: Judge, results: Results) -> Choice:
    """Returns what is best for Pythae's VAE."""
    known = held_out(judge, results.options)
    return tuned(results, peer_of(judge.name), judge.trained_on, known, judge.name, MINUTES_OF_PEERS)


def pythae_rows(judge: Judge, results: Results, choice: Choice) -> Iterator[Row]:
    """Trains Pythae's VAE, and samples in all of its ways, each with what suits it best."""
    options, peer = results.options, peer_of(judge.name)
    seconds, more = (4.0, 4.0) if options.quick else (60 * MINUTES_OF_PEERS, 60 * MINUTES_OF_SAMPLERS)
    pixels = judge.trained_on
    trained, of_model = train_as_chosen(peer, pixels, seconds, choice, options.seed)
    vae = peer.judge(trained, held_out(judge, options)).vae
    torch.manual_seed(options.seed)
    shown = pixels[:1000] if options.quick else pixels
    training = mnist.binarised(shown) if judge.name == "mnist" else shown.float() / 255

    def made_with(setting: Setting) -> Tensor | None:
        try:
            return _levels(sampled(vae, setting, training, judge.n, more, options.seed))
        except (ArithmeticError, ValueError, RuntimeError, AssertionError):  # it diverged, or refuses the data
            return None

    for sampler in SAMPLERS:
        start = time.perf_counter()
        tried = {setting: made_with(setting) for setting in settings_of(sampler)[: 1 if options.quick else None]}
        made = {setting: levels for setting, levels in tried.items() if levels is not None}
        misfits = {setting: judge.misfit(levels) for setting, levels in made.items()}
        if not misfits:
            yield from (
                Row(key, FAILED, "", details={"failed": True}) for key in judge.keys(_peer(sampler), options.seed)
            )
            continue
        best = min(misfits, key=misfits.__getitem__)
        spent = time.perf_counter() - start
        facts = {"seconds": spent, "held_out": list(misfits.values()), "settings": asdict(best)}
        yield from judge.rows(_peer(sampler), made[best], options.seed, **facts, **of_model)


def _levels(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)


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


def _peer(sampler: str) -> str:
    return f"{PYTHAE}, {sampler} sampler"


def claims(results: Results, name: str) -> list[Claim]:
    """Returns the claims about a set."""
    seed = results.options.seed
    staged, standard, *peers = (
        Key(system, DISTANCE, name, seed) for system in (STAGED, STANDARD, *map(_peer, SAMPLERS))
    )
    found = [results.find(key) for key in peers]
    best = None if None in found else min(found, key=lambda row: row["value"])
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
    if row is None or other is None:
        return False
    return bool(row["value"] + 1.96 * math.hypot(row["spread"], other["spread"]) < other["value"])


def measure_set(results: Results, judge: Judge) -> None:
    """Measures all systems on a set."""
    seed = results.options.seed
    ours_ = [training_key(system, judge.name, seed) for system in (STAGED, FLOW)]

    def keys(*systems: str) -> list[Key]:
        return [key for system in systems for key in judge.keys(system, seed)]

    results.measure(keys(REAL), lambda: real_rows(judge, results))
    results.measure([*keys(STANDARD, STAGED), ours_[0]], lambda: standard_rows(judge, results))
    results.measure([*keys(FLOW), ours_[1]], lambda: flow_rows(judge, results))
    choice = chosen(judge, results)
    results.measure(keys(*map(_peer, SAMPLERS)), lambda: pythae_rows(judge, results, choice), asdict(choice))


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("samples", PROTOCOL, options)
    for name in SETS[:1] if options.quick else SETS:
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
    trainings = [training_key(system, name, options.seed) for name in SETS for system in (STAGED, FLOW)]
    about_sets = [claim for name in SETS for claim in claims(results, name)]
    results.finish([*about_sets, *ours.longest_training(results, trainings), *speed])


if __name__ == "__main__":
    main(parse(__doc__))
