"""Samples of Pythae's VAE, each sampler and the model itself with the settings that make the nearest pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks import mnist
from benchmarks.baselines.pythae_peers import BINARY, Choice, Peer, eight_bit
from benchmarks.baselines.pythae_samplers import FAILURES, MIXTURE, SAMPLERS, TRAINED, Setting, sampled, settings_of
from benchmarks.baselines.pythae_tuning import SHARE, SMALLEST_RATE, best_rate, next_smaller, train_as_chosen
from benchmarks.baselines.pythae_vae import VAE
from benchmarks.features import weights_digest
from benchmarks.harness import CACHE, Key, Options, Results, Row
from benchmarks.origin import digest
from benchmarks.sample_judge import DISTANCE, Judge
from latentia.files import make_folder
from latentia.tensors import read_tensors, write_tensors

PYTHAE = "Pythae 0.1.2 VAE"
MINUTES, MINUTES_OF_SAMPLERS = 10.0, 5.0
QUICK_SECONDS, QUICK = 4.0, 20  # of each training, and held-out pictures
PROBE = Setting(MIXTURE, components=50)  # the sampler by which ways to train are compared
FAILED = 1e6  # stands for the distance of a sampler that made no pictures


@dataclass(frozen=True)
class Way:
    """A way to train the VAE.

    Attributes:
        peer: the model, with what it is trained on.
        choice: its settings.
        binary: whether pictures are binarised at each visit, rather than grey.
    """

    peer: Peer
    choice: Choice
    binary: bool

    @property
    def facts(self) -> dict[str, Any]:
        """What rows say of it."""
        return {**asdict(self.choice), "pixels": "binarised" if self.binary else "grey"}

    def __str__(self) -> str:
        return f"{self.facts['pixels']}, {self.choice}"

    def seen(self, pixels: Tensor) -> Tensor:
        """Returns uint8 pictures as the model takes them."""
        return mnist.binarised(pixels) if self.binary else pixels.float() / 255

    def train(self, judge: Judge, minutes: float, options: Options) -> tuple[VAE, dict[str, Any]]:
        """Returns the model, its batch normalisation as suits held-out pictures, and what rows say of its training."""
        seconds = QUICK_SECONDS if options.quick else 60 * minutes
        vae, facts = train_as_chosen(self.peer, judge.trained_on, seconds, self.choice, options.seed)
        known = mnist.held_out(options) if self.binary else judge.known.float() / 255
        return self.peer.judge(vae, known[: QUICK if options.quick else None]).vae, {**facts, **self.facts}


def kept_vae(results: Results, judge: Judge, way: Way) -> tuple[VAE, dict[str, Any]]:
    """Returns the model that a run of the same commit, which was stopped, has trained already; else trains one."""
    options, state = results.options, results.commit
    named = (str(way), judge.match, options.seed, options.quick, state)
    path = CACHE / f"pythae-{judge.name}-{digest(repr(named))}.safetensors"
    anew = options.fresh or judge.name in options.again or state == "" or state.endswith("-dirty")
    if path.exists() and not anew:
        vae = way.peer.build(way.choice, options.seed)
        weights, kept = read_tensors(path)
        vae.load_state_dict(weights)
        return vae.eval(), json.loads(kept["facts"])
    vae, facts = way.train(judge, MINUTES, options)
    weights = {name: value.contiguous() for name, value in vae.state_dict().items()}
    facts = {**facts, "weights": weights_digest(weights.values())}
    make_folder(path.parent)
    write_tensors(path, weights, {"facts": json.dumps(facts)})
    return vae, facts


def peer_name(sampler: str) -> str:
    """Names a sampler in rows."""
    return f"{PYTHAE}, {sampler} sampler"


def ways_to_train(name: str, choice: Choice) -> list[Way]:
    """Returns what is tried: network and learning rate as likelihood chose them, with all other settings.

    Digits are also tried in grey, which is how Pythae's own scripts take them.
    """
    grey = eight_bit((1, 28, 28))
    peers = ((BINARY[0], True), (grey, False)) if name == "mnist" else ((grey, False),)
    return [Way(peer, replace(choice, variant=variant), binary) for peer, binary in peers for variant in peer.variants]


def best_way(results: Results, judge: Judge, choice: Choice) -> Way:
    """Returns the way whose samples are nearest to held-out pictures after a part of the time."""
    options, minutes = results.options, SHARE * MINUTES
    ways = ways_to_train(judge.name, choice)

    def trial(way: Way, key: Key) -> Iterator[Row]:
        facts = way.facts
        try:
            vae, facts = way.train(judge, minutes, options)
            made = Drawn(way, vae, judge, options).made(PROBE, 0.0)
        except ArithmeticError:  # it diverges at all learning rates
            made = None
        value = FAILED if made is None else judge.misfit(made)
        yield Row(key, value, "", details={**judge.facts, **facts})

    def distance(way: Way) -> float:
        metric = f"{DISTANCE} from held-out pictures after {minutes:.3g} minutes"
        key = Key(f"{PYTHAE}, {PROBE.sampler} sampler", metric, f"{judge.name}, {way}", options.seed)
        results.measure([key], lambda: trial(way, key), judge.match)
        value = results.value(key)
        return FAILED if value is None else value

    return min(ways[: 1 if options.quick else None], key=distance)


class Drawn:
    """What samplers draw from a trained model; each setting once.

    Args:
        way: by which it was trained.
        vae: the model.
        judge: of its set.
        options: of the run.
    """

    def __init__(self, way: Way, vae: VAE, judge: Judge, options: Options) -> None:
        self._vae, self._judge, self._options = vae, judge, options
        torch.manual_seed(options.seed)
        self._training = way.seen(judge.trained_on[: 1000 if options.quick else None])
        self._made: dict[tuple[Setting, float], Tensor | None] = {}

    def made(self, setting: Setting, minutes: float) -> Tensor | None:
        """Returns pictures, uint8 (N, 1, 28, 28); None where the sampler fails.

        Args:
            setting: of a sampler.
            minutes: for which it is trained, if it is.
        """
        if (setting, minutes) not in self._made:
            seconds = QUICK_SECONDS if self._options.quick else 60 * minutes
            try:
                x = sampled(self._vae, setting, self._training, self._judge.n, seconds, self._options.seed)
                self._made[setting, minutes] = _levels(x)
            except FAILURES:
                self._made[setting, minutes] = None
        return self._made[setting, minutes]

    def best(self, sampler: str) -> tuple[Setting, dict[str, float]]:
        """Returns the setting whose pictures are nearest to held-out ones, and the distances of all that were tried.

        Learning rates are tried for a part of the time, beyond the usual ones as long as an end is best; mixtures of
        more components as long as they are better.
        """
        distances: dict[Setting, float] = {}

        def distance(setting: Setting) -> float:
            if setting not in distances:
                levels = self.made(setting, SHARE * MINUTES_OF_SAMPLERS)
                distances[setting] = FAILED if levels is None else self._judge.misfit(levels)
            return distances[setting]

        settings = settings_of(sampler)[: 1 if self._options.quick else None]
        if sampler in TRAINED and not self._options.quick:
            best = best_rate(settings[0], distance)
        else:
            best = _last_of_the_better(settings, distance)
        return best, {str(setting): value for setting, value in distances.items()}

    def after_trial(self, setting: Setting) -> tuple[Tensor | None, Setting]:
        """Returns the pictures of a setting that was chosen, and the setting.

        A sampler whose training diverges later than its trial is trained anew at the next smaller rate.
        """
        if setting.learning_rate is None:
            return self.made(setting, SHARE * MINUTES_OF_SAMPLERS), setting
        levels = self.made(setting, MINUTES_OF_SAMPLERS)
        while levels is None and (smaller := next_smaller(setting)).learning_rate >= SMALLEST_RATE:
            setting, levels = smaller, self.made(smaller, MINUTES_OF_SAMPLERS)
        return levels, setting


def measure_samplers(results: Results, judge: Judge, way: Way) -> None:
    """Trains the VAE, and samples in all of its ways; those that are missing, or that sampled from another model."""
    keys = {sampler: judge.keys(peer_name(sampler), results.options.seed) for sampler in SAMPLERS}
    match = {**judge.match, **way.facts}
    if _from_one_model(results, keys.values(), match):
        return
    vae, facts = kept_vae(results, judge, way)
    drawn = Drawn(way, vae, judge, results.options)
    for sampler, of_sampler in keys.items():
        rows = partial(_sampler_rows, sampler, drawn, judge, facts, results.options.seed)
        results.measure(of_sampler, rows, {**match, "weights": facts["weights"]})


def _from_one_model(results: Results, keys: Iterable[Sequence[Key]], match: Mapping[str, Any]) -> bool:
    """Whether all rows are there, and of one model."""
    if not all(results.holds(of_sampler, match) for of_sampler in keys):
        return False
    rows = (results.find(of_sampler[0]) for of_sampler in keys)
    return len({(row or {})["details"].get("weights") for row in rows}) == 1


def _sampler_rows(sampler: str, drawn: Drawn, judge: Judge, of_model: dict[str, Any], seed: int) -> Iterator[Row]:
    best, tried = drawn.best(sampler)
    made, setting = drawn.after_trial(best)
    facts = {**of_model, "sampler": asdict(setting), "held_out": tried}
    if made is None:
        yield from _failed(judge, sampler, seed, {**judge.facts, **facts, "failed": True})
    else:
        yield from judge.rows(peer_name(sampler), made, seed, **facts)


def _last_of_the_better(settings: Sequence[Setting], distance: Callable[[Setting], float]) -> Setting:
    """Returns the best of some settings, in their order, up to the first that is no better than the one before.

    One that fails is passed over.
    """
    best = settings[0]
    for further in settings[1:]:
        if distance(best) < FAILED and distance(best) <= distance(further) < FAILED:
            break
        best = min(best, further, key=distance)
    distance(best)
    return best


def _failed(judge: Judge, sampler: str, seed: int, facts: dict[str, Any]) -> Iterator[Row]:
    """Yields the rows of a sampler that made no pictures."""
    for key in judge.keys(peer_name(sampler), seed):
        far = key.metric == DISTANCE
        yield Row(key, FAILED if far else 0.0, "", spread=0.0 if far else None, details=facts)


def _levels(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)
