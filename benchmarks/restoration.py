"""Noise, lost blocks and scratches: what the model makes of them beside scikit-image, on faces and colour pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks.baselines import holes, noise
from benchmarks.baselines.choosing import Tried, best_of, made_by, shortlisted
from benchmarks.baselines.holes import Pixels
from benchmarks.filling import (
    LEADS,
    OURS,
    Pictures,
    draw_masks,
    for_all_metrics,
    kept_model,
    our_fill,
    read_pictures,
    score_rows,
    scored,
)
from benchmarks.gallery import greyed, write_gallery
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, goal_alone, parse
from benchmarks.picture_metrics import Scores, figures_on
from latentia.data import Canvas, Mask
from latentia.data.masks import Blocks, Scratches
from latentia.runs import TrainedModel
from latentia.tasks import restore

PROTOCOL = (
    "The preset `inpainting`, of faces `image-64`, one model for each set: that of the benchmark of that name, where "
    "the same commit has left one, else one that is trained as there. Normal noise, cut off and rounded to 8 bits, "
    "whose level we estimate and the peers are told; lost blocks of an eighth of a side and scratches, whose place "
    "all are told. Tested on 80 faces of 8 subjects that no part has seen, and on the first 200 test pictures in "
    "colour; on 200 of clothes too, so that something may be shown. PSNR over all pixels (noise) or the missing ones "
    "(blocks, scratches) of all pictures together; leads are over the best peer, with the paired 95 % interval of a "
    "jackknife over pictures (faces: subjects), its lower end the lowest over all peers. Settings of peers are "
    "chosen on training pictures for each set, strength and metric; rows say which."
)
SETS = ("orl-faces", "cifar10-part", "fashion-mnist")
CLAIMED = SETS[:2]
LEVELS = {"noise 15": 15 / 255, "noise 25": 25 / 255, "noise 50": 50 / 255}
HOLES: dict[str, Mask] = {
    **{f"blocks {100 * share:.0f} %": Blocks(share, share) for share in (0.1, 0.25, 0.5)},
    **{f"scratches {count}": Scratches(count) for count in (3, 6, 12)},
}
WITHOUT, BEST_PEER = "as it came", "best peer"
BIHARMONIC = "scikit-image biharmonic"
NOISE_PEERS = ("scikit-image non-local means", "scikit-image wavelet", "scikit-image total variation")
TESTED = 200
TUNED, FEW, FINALISTS = 25, 4, 20


def set_keys(name: str, seed: int) -> list[Key]:
    """Returns the keys of all rows of a set."""
    keys: list[Key] = []
    for damage in (*LEVELS, *HOLES):
        setting = f"{name}, {damage}"
        systems = (WITHOUT, *NOISE_PEERS, OURS) if damage in LEVELS else (BIHARMONIC, OURS)
        keys += [Key(system, metric, setting, seed) for system in systems for metric in ("PSNR", "SSIM")]
        keys += [Key(OURS, metric, setting, seed) for metric in LEADS.values()]
    return keys


def set_rows(name: str, measured: Results) -> Iterator[Row]:
    """Trains on a set, and scores all systems on all damages."""
    options, seed = measured.options, measured.options.seed
    pictures = read_pictures(name, options)
    count = len(pictures.test) if name == "orl-faces" else min(TESTED, len(pictures.test))
    test, groups = pictures.test[:count], pictures.groups[:count]
    trained = kept_model(name, options)
    fill = our_fill(trained)
    everywhere = np.ones(test.shape[:3], np.bool_)
    shown: list[tuple[Pixels, dict[str, Pixels]]] = []
    for damage, level in LEVELS.items():
        noisy = add_noise(test, level, seed)
        peers = peer_ways(pictures, level, options)
        results = {system: made_by(ways, noisy) for system, ways in peers.items()}
        results = {WITHOUT: for_all_metrics(noisy), **results, OURS: for_all_metrics(denoised(trained, noisy))}
        found = scored(test, results, everywhere)
        yield from score_rows(f"{name}, {damage}", seed, found, groups, peers)
        shown.append((noisy, {BEST_PEER: results[best_peer(found["PSNR"])]["PSNR"], OURS: results[OURS]["PSNR"]}))
    for damage, mask in HOLES.items():
        missing = draw_masks(mask, test, seed)
        filled = {BIHARMONIC: holes.biharmonic(test, missing), OURS: fill(test, missing)}
        found = scored(test, {system: for_all_metrics(made) for system, made in filled.items()}, missing)
        yield from score_rows(f"{name}, {damage}", seed, found, groups, {})
        shown.append((greyed(test, missing), {BEST_PEER: filled[BIHARMONIC], OURS: filled[OURS]}))
    write_gallery(measured.gallery(name), test, shown, [BEST_PEER, OURS])


def best_peer(found: Mapping[str, Scores]) -> str:
    """Returns the name of the best system but ours."""
    return max((system for system in found if system != OURS), key=lambda system: found[system].figure)


def add_noise(images: Pixels, level: float, seed: int) -> Pixels:
    """Puts normal noise onto pictures, as a file would hold them."""
    drawn = np.random.default_rng(2000 + seed).normal(0, 255 * level, images.shape)
    return np.round(np.clip(images + drawn, 0, 255)).astype(np.uint8)


def denoised(trained: TrainedModel, noisy: Pixels) -> Pixels:
    """Returns what `restore` makes of pictures, the level of the noise estimated in each."""
    return np.stack([restore(trained, Canvas.from_array(image)).picture() for image in noisy])


def peer_ways(pictures: Pictures, level: float, options: Options) -> dict[str, dict[str, Tried]]:
    """Returns each peer by metric, with the settings that are best for this level.

    Those ahead on a few pictures are tried on more.
    """
    clean = pictures.validation[: 1 if options.quick else TUNED]
    spoiled = add_noise(clean, level, options.seed + 1)
    scores = figures_on(clean, np.ones(clean.shape[:3], np.bool_))

    def best(ways: Sequence[Tried]) -> dict[str, list[Tried]]:
        return shortlisted(ways, (spoiled,), scores, FEW, FINALISTS)

    def found(system: str, ways: Sequence[Tried]) -> dict[str, Tried]:
        first = best(ways)
        if system == noise.WAVELET:
            finalists = {way.settings: way for found in first.values() for way in found}.values()
            spun = [noise.spun(way, shifts) for way in finalists for shifts in noise.SHIFTS]
            first = best([*(found[0] for found in first.values()), *spun])
        return best_of(first)

    ways = noise.candidates(level, clean.shape[3] == 3)
    return {system: found(system, candidates) for system, candidates in ways.items()}


def claims(results: Results) -> list[Claim]:
    """Returns the claims of the issue: in how many cells the interval of our lead lies above zero."""
    source = "scikit-image in the same run"
    made: list[Claim] = []
    for metric in LEADS:
        cells = f"share of cells in which ours is ahead of every peer in {metric}"
        faces, both = share_ahead(results, SETS[:1], metric), share_ahead(results, CLAIMED, metric)
        made += floor_and_goal(f"{cells}, faces", faces, floor=0.51, goal=None, source=source, higher_is_better=True)
        made += goal_alone(f"{cells}, faces and colour pictures", both, 1.0, source, higher_is_better=True)
    return made


def share_ahead(results: Results, names: Sequence[str], metric: str) -> float | None:
    """Returns the share of the cells of some sets in which we are ahead; None while one is missing."""
    settings = [f"{name}, {damage}" for name in names for damage in (*LEVELS, *HOLES)]
    rows = [results.find(Key(OURS, LEADS[metric], setting, results.options.seed)) for setting in settings]
    if None in rows:
        return None
    return sum(row["details"]["low"] > 0 for row in rows) / len(rows)


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("restoration", PROTOCOL, options)
    for name in SETS[:1] if options.quick else SETS:
        with results.within(name):
            results.measure(set_keys(name, options.seed), lambda name=name: set_rows(name, results))
    results.finish(claims(results))


if __name__ == "__main__":
    main(parse(__doc__))
