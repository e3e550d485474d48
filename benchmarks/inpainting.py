"""Holes in pictures, filled in: PSNR and SSIM over missing pixels beside OpenCV, scikit-image and training pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from benchmarks.baselines import holes
from benchmarks.baselines.choosing import Tried, best_of, settings_of
from benchmarks.baselines.holes import Fill, Flags, Pixels
from benchmarks.filling import LEAD, OURS, Pictures, draw_masks, lead_row, our_fill, read_pictures, train_model
from benchmarks.gallery import greyed, write_gallery
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, goal_alone, parse
from benchmarks.imputation import imputation_claims, imputation_keys, imputation_rows, training_key
from benchmarks.ours import TRAINING, longest_training
from benchmarks.picture_metrics import errors, ssim
from benchmarks.picture_sets import open_pictures
from latentia.data import MASKS, Canvas, Mask
from latentia.presets import resolve
from latentia.tasks import inpaint
from latentia.training.fit import prepare_training

PROTOCOL = (
    "The preset `inpainting`, one model for each set for all masks, with what is said of the set in "
    "`filling.SETTINGS`, chosen on held-out training pictures; trained for at most 10 minutes on the training "
    "pictures; tested on the first 500 test pictures, and on all 80 faces of 8 subjects that no part has seen, each "
    "with a mask of its own. PSNR is that of all missing pixels of all pictures together, ours of "
    "the expected picture; leads come with the 95 % interval of a paired bootstrap over pictures (faces: subjects). "
    "OpenCV's radius is chosen on validation pictures for each set and mask; the nearest training picture is sought by "
    "what is given. 'Seconds a picture' are of the machine as it is, pictures by the batch; 'seconds for 8 "
    "completions' of one 64x64 picture on one core, its model loaded."
)
PEERS = ("OpenCV Telea", "OpenCV Navier-Stokes", "scikit-image biharmonic", "mean picture", "nearest training picture")
SETS = ("mnist", "fashion-mnist", "orl-faces", "cifar10-part")
SECONDS = "seconds a picture"
REFINED_STEPS = 60


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


def peer_fills(pictures: Pictures, missing: Flags) -> dict[str, Fill]:
    """Returns the peers, OpenCV's with the radius that does best on validation pictures with such holes."""

    def tuned(ways: list[Tried]) -> Fill:
        clean = pictures.validation
        return best_of(ways, (clean, missing), lambda filled: -errors(clean, filled, missing).psnr)

    fills = (
        tuned(holes.telea(missing.shape[1])),
        tuned(holes.navier_stokes(missing.shape[1])),
        holes.biharmonic,
        holes.mean_picture(pictures.train),
        holes.nearest_picture(pictures.train),
    )
    return dict(zip(PEERS, fills, strict=True))


def set_keys(name: str, seed: int) -> list[Key]:
    """Returns the keys of all rows of a set."""
    return [Key(OURS, TRAINING, name, seed)] + [
        Key(system, metric, f"{name}, {damage.name}", seed)
        for damage in DAMAGES
        for system, more in ((OURS, (LEAD,)), *((peer, ()) for peer in PEERS))
        for metric in ("PSNR", "SSIM", SECONDS, *more)
    ]


def set_rows(name: str, results: Results) -> Iterator[Row]:
    """Trains on a set, and scores all systems on all masks."""
    options, seed = results.options, results.options.seed
    pictures, start = read_pictures(name, options), time.perf_counter()
    ours = our_fill(train_model(name, options))
    yield Row(Key(OURS, TRAINING, name, seed), (time.perf_counter() - start) / 60, "min")
    shown: list[tuple[Pixels, dict[str, Pixels]]] = []
    for damage in DAMAGES:
        missing, setting = draw_masks(damage.mask, pictures.test, seed), f"{name}, {damage.name}"
        validation_holes = draw_masks(damage.mask, pictures.validation, seed + 1)
        filled: dict[str, Pixels] = {}
        for system, fill in {**peer_fills(pictures, validation_holes), OURS: ours}.items():
            start = time.perf_counter()
            filled[system] = fill(pictures.test, missing)
            seconds = (time.perf_counter() - start) / len(missing)
            yield Row(Key(system, SECONDS, setting, seed), seconds, "s", details={"settings": settings_of(fill)})
        found = {system: errors(pictures.test, result, missing) for system, result in filled.items()}
        for system, result in filled.items():
            yield Row(Key(system, "PSNR", setting, seed), found[system].psnr, "dB")
            yield Row(Key(system, "SSIM", setting, seed), ssim(pictures.test, result, missing), "")
        best = max(PEERS, key=lambda peer: found[peer].psnr)
        yield lead_row(Key(OURS, LEAD, setting, seed), found, best, pictures.groups)
        shown.append((greyed(pictures.test, missing), filled))
    write_gallery(results.gallery(name), pictures.test, shown, [*PEERS, OURS])


def speed_keys(seed: int) -> dict[str, Key]:
    """Returns the keys of what takes how long, by preset."""
    place = "64x64, one core"
    return {
        "inpainting": Key(OURS, "seconds for 8 completions", place, seed),
        "image": Key("Latentia, preset image", f"seconds for 8 completions, {REFINED_STEPS} steps", place, seed),
    }


def speed_rows(options: Options) -> Iterator[Row]:
    """Times one face with models of random weights; the one that learned without masks is refined."""
    source = open_pictures("orl-faces", options.mirror)
    image = source.read("test").x[0]
    canvas = Canvas.from_array(image, ~MASKS.build("centre", {})(1, 64, 64)[0, 0].numpy())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for preset, key in speed_keys(options.seed).items():
            config, form = resolve(source, preset, {})
            trained = prepare_training(source.load(form), form, config).trained
            trained.model.requires_grad_(False).eval()
            steps = None if preset == "inpainting" else REFINED_STEPS
            times: list[float] = []
            for _ in range(3 if options.quick else 9):
                start = time.perf_counter()
                result = inpaint(trained, canvas, n_samples=8, steps=steps)
                assert len([result.sample(number) for number in range(8)]) == 8
                times.append(time.perf_counter() - start)
            yield Row(key, float(np.median(times[1:])), "s", values=times[1:])
    finally:
        torch.set_num_threads(threads)


def leads(results: Results, names: Sequence[str], hard: bool, bound: Literal["value", "low"]) -> float | None:
    """Returns the smallest lead over sets and masks, or the smallest lower end of an interval; None while one lacks."""
    rows = [
        results.find(Key(OURS, LEAD, f"{name}, {damage.name}", results.options.seed))
        for name in names
        for damage in DAMAGES
        if damage.hard is hard
    ]
    found = [row for row in rows if row is not None]
    if len(found) < len(rows):
        return None
    return min(row["value"] if bound == "value" else row["details"]["low"] for row in found)


def claims(results: Results) -> list[Claim]:
    """Returns the claims of the issue."""
    peers = "the best of OpenCV, scikit-image, mean and nearest training picture, in the same run"
    easy = "smallest lead on 50 % random, scratches and strokes, all sets, dB"
    made: list[Claim] = []
    for names, label, floor, goal in ((SETS[:3], "digits, clothes and faces", 1.0, 2.0), (SETS[3:], "CIFAR", 0.3, 1.0)):
        smallest = floor_and_goal(
            f"smallest lead on 80/90 % random, centre, half and rectangles, {label}, dB",
            leads(results, names, True, "value"),
            floor=floor,
            goal=goal,
            source=peers,
            higher_is_better=True,
        )
        low = leads(results, names, True, "low")
        made += [replace(claim, holds=claim.holds and low is not None and low > 0) for claim in smallest]
    made += floor_and_goal(
        easy, leads(results, SETS, False, "value"), floor=-0.5, goal=None, source=peers, higher_is_better=True
    )
    everywhere = [leads(results, SETS, hard, "low") for hard in (True, False)]
    lowest = None if None in everywhere else min(value for value in everywhere if value is not None)
    end = "smallest lower end of the 95 % interval of the lead, all sets and masks, dB"
    made += goal_alone(end, lowest, 0.0, peers, higher_is_better=True)
    seed = results.options.seed
    made += longest_training(results, [*(Key(OURS, TRAINING, name, seed) for name in SETS), training_key(seed)])
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
    with results.within("seconds"):
        results.measure(list(speed_keys(options.seed).values()), lambda: speed_rows(options))
    with results.within("imputation"):
        results.measure(imputation_keys(options.seed), lambda: imputation_rows(options))
    results.finish(claims(results))


if __name__ == "__main__":
    main(parse(__doc__))
