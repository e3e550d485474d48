"""Holes in pictures, filled in: PSNR and SSIM over missing pixels beside OpenCV, scikit-image and training pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks.baselines import holes
from benchmarks.baselines.choosing import Tried, best_of, made_by, shortlisted
from benchmarks.baselines.holes import Fill, Flags, Pixels
from benchmarks.completions import completion_keys, completion_rows
from benchmarks.filling import (
    LEADS,
    OURS,
    UNITS,
    Pictures,
    draw_masks,
    for_all_metrics,
    our_fill,
    read_pictures,
    score_rows,
    scored,
    train_model,
)
from benchmarks.gallery import greyed, write_gallery
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.imputation import imputation_claims, imputation_keys, imputation_rows, training_key
from benchmarks.ours import TRAINING, longest_training
from benchmarks.picture_metrics import figures_on
from benchmarks.picture_sets import open_pictures
from benchmarks.refinement import refinement_keys, refinement_rows
from benchmarks.refinement import training_key as refinement_training_key
from latentia.data import MASKS, Arrays, ArraySource, Canvas, Mask
from latentia.presets import resolve
from latentia.runs import TrainedModel
from latentia.tasks import inpaint
from latentia.training.fit import prepare_training

PROTOCOL = (
    "The preset `inpainting`, of faces `image-64`, one model for each set for all masks, with what is said of the "
    "set in `filling.SETTINGS`, chosen on held-out training pictures; trained for at most 10 minutes on the training "
    "pictures; tested on the first 500 test pictures, and on all 80 faces of 8 subjects that no part has seen, each "
    "with a mask of its own. PSNR is that of all missing pixels of all pictures together, ours of the expected "
    "picture; leads are over the best peer, with the paired 95 % interval of a jackknife over pictures (faces: "
    "subjects), its lower end the lowest over all peers. OpenCV's radius is chosen on validation pictures for each "
    "set, mask and metric; the nearest training picture is sought by what is given; mirror images count in it and in "
    "the mean picture where we train with them. 'Seconds a picture' are of the machine as it is, pictures by the "
    "batch; 'seconds for 8 completions' of one 64x64 picture on one core, its model loaded, weights at random, which "
    "take the same time. Completions are measured on the first 100 test pictures: bits by importance sampling with "
    "20 draws. The part 'refinement' compares ways of telling a model of Fashion-MNIST of holes that was trained "
    "without any (preset `image`), on 100 training pictures that were held out."
)
PEERS = ("OpenCV Telea", "OpenCV Navier-Stokes", "scikit-image biharmonic", "mean picture", "nearest training picture")
SETS = ("mnist", "fashion-mnist", "orl-faces", "cifar10-part")
SECONDS = "seconds a picture"
FEW, FINALISTS = 25, 4  # of radii, which are large where they take longest
REFINED_STEPS = 60
TIMED = ("centre", "90 % random")
REFINED = ("50 % random", "centre", "half")


@dataclass(frozen=True)
class Damage:
    """A kind of hole.

    Attributes:
        name: of the rows.
        mask: what draws it.
        hard: whether classical methods have little to go on.
    """

    name: str
    mask: Mask
    hard: bool


DAMAGES = tuple(
    Damage(name, MASKS.build(family, settings), hard)
    for name, family, settings, hard in (
        ("50 % random", "scattered", {"least": 0.5, "most": 0.5}, False),
        ("80 % random", "scattered", {"least": 0.8, "most": 0.8}, True),
        ("90 % random", "scattered", {"least": 0.9, "most": 0.9}, True),
        ("centre", "centre", {}, True),
        ("half", "half", {}, True),
        ("rectangles", "rectangles", {}, True),
        ("scratches", "scratches", {}, False),
        ("strokes", "strokes", {}, False),
    )
)


def peer_fills(pictures: Pictures, missing: Flags, mirror: bool) -> dict[str, dict[str, Fill]]:
    """Returns the peers by metric, OpenCV's with the radius that does best on validation pictures with such holes.

    Args:
        pictures: of the set.
        missing: holes in its validation pictures.
        mirror: whether our model is shown mirror images.
    """
    clean = pictures.validation

    def tuned(ways: list[Tried]) -> dict[str, Fill]:
        return {**best_of(shortlisted(ways, (clean, missing), figures_on(clean, missing), FEW, FINALISTS))}

    fills = (
        tuned(holes.telea(missing.shape[1])),
        tuned(holes.navier_stokes(missing.shape[1])),
        for_all_metrics(holes.biharmonic),
        for_all_metrics(holes.mean_picture(pictures.train, mirror=mirror)),
        for_all_metrics(holes.nearest_picture(pictures.train, mirror=mirror)),
    )
    return dict(zip(PEERS, fills, strict=True))


def set_keys(name: str, seed: int) -> list[Key]:
    """Returns the keys of all rows of a set."""
    return (
        [Key(OURS, TRAINING, name, seed)]
        + [
            Key(system, metric, f"{name}, {damage.name}", seed)
            for damage in DAMAGES
            for system, more in ((OURS, tuple(LEADS.values())), *((peer, ()) for peer in PEERS))
            for metric in ("PSNR", "SSIM", SECONDS, *more)
        ]
        + [key for damage in DAMAGES for key in completion_keys(OURS, f"{name}, {damage.name}", seed)]
    )


def set_rows(name: str, results: Results) -> Iterator[Row]:
    """Trains on a set, and scores all systems on all masks."""
    options, seed = results.options, results.options.seed
    pictures, start = read_pictures(name, options), time.perf_counter()
    trained = train_model(name, options)
    fill = for_all_metrics(our_fill(trained))
    yield Row(Key(OURS, TRAINING, name, seed), (time.perf_counter() - start) / 60, "min")
    shown: list[tuple[Pixels, dict[str, Pixels]]] = []
    for damage in DAMAGES:
        missing, setting = draw_masks(damage.mask, pictures.test, seed), f"{name}, {damage.name}"
        validation_holes = draw_masks(damage.mask, pictures.validation, seed + 1)
        systems = {**peer_fills(pictures, validation_holes, trained.config.training.mirror), OURS: fill}
        filled: dict[str, dict[str, Pixels]] = {}
        for system, fills in systems.items():
            start = time.perf_counter()
            filled[system] = made_by(fills, pictures.test, missing)
            seconds = (time.perf_counter() - start) / len(set(fills.values())) / len(missing)
            yield Row(Key(system, SECONDS, setting, seed), seconds, "s")
        yield from score_rows(setting, seed, scored(pictures.test, filled, missing), pictures.groups, systems)
        yield from completion_rows(OURS, trained, pictures.test, missing, setting, seed)
        shown.append((greyed(pictures.test, missing), {system: made["PSNR"] for system, made in filled.items()}))
    write_gallery(results.gallery(name), pictures.test, shown, [*PEERS, OURS])


def speed_keys(seed: int) -> dict[str, Key]:
    """Returns the keys of what takes how long, by preset; the slowest of all cases."""
    place = "64x64, one core"
    return {
        "inpainting": Key(OURS, "seconds for 8 completions", place, seed),
        "image": Key("Latentia, preset image", f"seconds for 8 completions, {REFINED_STEPS} steps", place, seed),
    }


def speed_rows(options: Options) -> Iterator[Row]:
    """Times a face and a picture in colour, by models of such pictures with random weights, for small and large holes.

    The model that learned without masks is refined.
    """
    faces, small = (open_pictures(name, options.mirror).read("train").x[:100] for name in ("orl-faces", "cifar10-part"))
    images = {"grey": faces, "colour": small.repeat(2, 1).repeat(2, 2)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for preset, key in speed_keys(options.seed).items():
            times: dict[str, list[float]] = {}
            for colour, x in images.items():
                source = ArraySource(colour, lambda _, x=x: Arrays(x), lambda: "timed")
                config, form = resolve(source, preset, {})
                trained = prepare_training(source.load(form), form, config).trained
                trained.model.requires_grad_(False).eval()
                for damage in DAMAGES:
                    if damage.name in TIMED:
                        missing = ~damage.mask(1, *x.shape[1:3], torch.Generator().manual_seed(0))[0, 0].numpy()
                        canvas = Canvas.from_array(x[0], missing)
                        times[f"{colour}, {damage.name}"] = list(_timed(trained, canvas, preset, options))
            medians = {case: float(np.median(seconds)) for case, seconds in times.items()}
            slowest = max(medians, key=medians.__getitem__)
            yield Row(key, medians[slowest], "s", values=times[slowest], details={"case": slowest, "medians": medians})
    finally:
        torch.set_num_threads(threads)


def _timed(trained: TrainedModel, canvas: Canvas, preset: str, options: Options) -> Iterator[float]:
    steps = None if preset == "inpainting" else REFINED_STEPS
    for number in range(3 if options.quick else 9):
        start = time.perf_counter()
        result = inpaint(trained, canvas, n_samples=8, steps=steps)
        if len([result.sample(number) for number in range(8)]) < 8:
            raise ValueError("Fewer than 8 completions.")
        if number:  # the first warms up
            yield time.perf_counter() - start


def leads(results: Results, names: Sequence[str], hard: bool, metric: str = "PSNR") -> list[Any] | None:
    """Returns our leads over sets and masks; None while one is missing."""
    seed = results.options.seed
    settings = [f"{name}, {damage.name}" for name in names for damage in DAMAGES if damage.hard is hard]
    rows = [results.find(Key(OURS, LEADS[metric], setting, seed)) for setting in settings]
    return None if None in rows else rows


def smallest(rows: list[Any] | None) -> float | None:
    """Returns the smallest lead."""
    return None if rows is None else min(row["value"] for row in rows)


def lowest(rows: list[Any] | None) -> float | None:
    """Returns the smallest lower end of the intervals of leads."""
    return None if rows is None else min(row["details"]["low"] for row in rows)


def claims(results: Results) -> list[Claim]:
    """Returns the claims of the issue."""
    peers = "the best of OpenCV, scikit-image, mean and nearest training picture, in the same run"
    easy = "smallest lead on 50 % random, scratches and strokes, all sets, dB"
    made: list[Claim] = []
    for names, label, floor, goal in ((SETS[:3], "digits, clothes and faces", 1.0, 2.0), (SETS[3:], "CIFAR", 0.3, 1.0)):
        rows = leads(results, names, True)
        both = floor_and_goal(
            f"smallest lead on 80/90 % random, centre, half and rectangles, {label}, dB",
            smallest(rows),
            floor=floor,
            goal=goal,
            source=peers,
            higher_is_better=True,
        )
        low = lowest(rows)
        made += [replace(claim, holds=claim.holds and low is not None and low > 0) for claim in both]
    made += floor_and_goal(
        easy, smallest(leads(results, SETS, False)), floor=-0.5, goal=None, source=peers, higher_is_better=True
    )
    for metric, unit in UNITS.items():
        ends = [lowest(leads(results, SETS, hard, metric)) for hard in (True, False)]
        end = None if None in ends else min(value for value in ends if value is not None)
        label = f"smallest lower end of the 95 % interval of the lead in {metric}, all sets and masks"
        made.append(Claim(f"{label}, {unit}" if unit else label, "goal", end, 0.0, peers, end is not None and end > 0))
    seed = results.options.seed
    trainings = [Key(OURS, TRAINING, name, seed) for name in SETS]
    made += longest_training(results, [*trainings, training_key(seed), refinement_training_key(seed)])
    for (preset, key), limit in zip(speed_keys(seed).items(), (0.5, 3.0), strict=True):
        refined = "" if preset == "inpainting" else f", refined (preset {preset}, which learned without masks)"
        label = f"8 completions of a 64x64 picture on one core{refined}"
        made += floor_and_goal(
            f"{label}, s",
            results.value(key),
            floor=limit,
            goal=None,
            source="set for this project",
            higher_is_better=False,
        )
    return [*made, *imputation_claims(results)]


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("inpainting", PROTOCOL, options)
    for name in ("orl-faces",) if options.quick else SETS:
        with results.within(name):
            results.measure(set_keys(name, options.seed), lambda name=name: set_rows(name, results))
    told = {damage.name: damage.mask for damage in DAMAGES if damage.name in REFINED}
    with results.within("refinement"):
        results.measure(refinement_keys(told, options.seed), lambda: refinement_rows(told, options))
    with results.within("seconds"):
        results.measure(list(speed_keys(options.seed).values()), lambda: speed_rows(options))
    with results.within("imputation"):
        results.measure(imputation_keys(options.seed), lambda: imputation_rows(options))
    results.finish(claims(results))


if __name__ == "__main__":
    main(parse(__doc__))
