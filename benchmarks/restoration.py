"""Noise, lost blocks and scratches: what the model makes of them beside scikit-image, on faces and colour pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import holes, noise
from benchmarks.baselines.choosing import Tried, best_of, settings_of
from benchmarks.baselines.holes import Flags, Pixels
from benchmarks.filling import LEAD, OURS, Pictures, draw_masks, kept_model, lead_row, our_fill, read_pictures
from benchmarks.gallery import greyed, write_gallery
from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, goal_alone, parse
from benchmarks.picture_metrics import Errors, errors, ssim
from latentia.data import Canvas, Mask
from latentia.data.masks import Blocks, Scratches
from latentia.runs import TrainedModel
from latentia.tasks import restore

PROTOCOL = (
    "The preset `inpainting`, one model for each set: that of the benchmark of that name, where the same commit has "
    "left one, else one that is trained as there. Normal noise, cut off "
    "and rounded to 8 bits, whose level we estimate and the peers are told; lost blocks of an eighth of a side and "
    "scratches, whose place all are told. Tested on 80 faces of 8 subjects that no part has seen, and on the first 200 "
    "colour pictures of the test split. PSNR over all pixels (noise) or the missing ones (blocks, scratches) of all "
    "pictures together; leads come with the 95 % interval of a paired bootstrap over pictures (faces: subjects). "
    "Settings of peers are chosen on training pictures for each set and strength; rows say which."
)
SETS = ("orl-faces", "cifar10-part")
LEVELS = {"noise 15": 15 / 255, "noise 25": 25 / 255, "noise 50": 50 / 255}
HOLES: dict[str, Mask] = {
    **{f"blocks {100 * share:.0f} %": Blocks(share, share) for share in (0.1, 0.25, 0.5)},
    **{f"scratches {count}": Scratches(count) for count in (3, 6, 12)},
}
WITHOUT, BEST_PEER = "as it came", "best peer"
BIHARMONIC = "scikit-image biharmonic"
NOISE_PEERS = ("scikit-image non-local means", "scikit-image wavelet", "scikit-image total variation")
COLOUR_PICTURES, TUNED = 200, 25


def set_keys(name: str, seed: int) -> list[Key]:
    """Returns the keys of all rows of a set."""
    keys: list[Key] = []
    for damage in (*LEVELS, *HOLES):
        setting = f"{name}, {damage}"
        systems = (WITHOUT, *NOISE_PEERS, OURS) if damage in LEVELS else (BIHARMONIC, OURS)
        keys += [Key(system, metric, setting, seed) for system in systems for metric in ("PSNR", "SSIM")]
        keys.append(Key(OURS, LEAD, setting, seed))
    return keys


def set_rows(name: str, measured: Results) -> Iterator[Row]:
    """Trains on a set, and scores all systems on all damages."""
    options, seed = measured.options, measured.options.seed
    pictures = read_pictures(name, options)
    count = len(pictures.test) if name == "orl-faces" else min(COLOUR_PICTURES, len(pictures.test))
    test, groups = pictures.test[:count], pictures.groups[:count]
    trained = kept_model(name, options)
    fill = our_fill(trained)
    everywhere = np.ones(test.shape[:3], np.bool_)
    shown: list[tuple[Pixels, dict[str, Pixels]]] = []
    for damage, level in LEVELS.items():
        noisy = add_noise(test, level, seed)
        peers = peer_ways(pictures, level, options)
        results = {WITHOUT: noisy, **{system: way(noisy) for system, way in peers.items()}}
        results[OURS] = denoised(trained, noisy)
        found = {system: errors(test, result, everywhere) for system, result in results.items()}
        settings = {system: settings_of(way) for system, way in peers.items()}
        yield from scored(f"{name}, {damage}", seed, test, results, found, everywhere, groups, settings)
        shown.append((noisy, {BEST_PEER: results[best_peer(found)], OURS: results[OURS]}))
    for damage, mask in HOLES.items():
        missing = draw_masks(mask, test, seed)
        results = {BIHARMONIC: holes.biharmonic(test, missing), OURS: fill(test, missing)}
        found = {system: errors(test, result, missing) for system, result in results.items()}
        yield from scored(f"{name}, {damage}", seed, test, results, found, missing, groups, {})
        shown.append((greyed(test, missing), {BEST_PEER: results[BIHARMONIC], OURS: results[OURS]}))
    write_gallery(measured.gallery(name), test, shown, [BEST_PEER, OURS])


def scored(
    setting: str,
    seed: int,
    truth: Pixels,
    results: dict[str, Pixels],
    found: Mapping[str, Errors],
    where: Flags,
    groups: NDArray[np.int64],
    settings: Mapping[str, str],
) -> Iterator[Row]:
    """Returns the rows of one damage, with the errors that were found where it is."""
    for system, result in results.items():
        chosen = {"settings": settings[system]} if system in settings else {}
        yield Row(Key(system, "PSNR", setting, seed), found[system].psnr, "dB", details=chosen)
        yield Row(Key(system, "SSIM", setting, seed), ssim(truth, result, where), "")
    yield lead_row(Key(OURS, LEAD, setting, seed), found, best_peer(found), groups)


def best_peer(found: Mapping[str, Errors]) -> str:
    """Returns the name of the best system but ours."""
    return max((system for system in found if system != OURS), key=lambda system: found[system].psnr)


def add_noise(images: Pixels, level: float, seed: int) -> Pixels:
    """Puts normal noise onto pictures, as a file would hold them."""
    drawn = np.random.default_rng(2000 + seed).normal(0, 255 * level, images.shape)
    return np.round(np.clip(images + drawn, 0, 255)).astype(np.uint8)


def denoised(trained: TrainedModel, noisy: Pixels) -> Pixels:
    """Returns what `restore` makes of pictures, the level of the noise estimated in each."""
    return np.stack([restore(trained, Canvas.from_array(image)).picture() for image in noisy])


def peer_ways(pictures: Pictures, level: float, options: Options) -> dict[str, Tried]:
    """Returns each peer with its best settings for this level."""
    count = 1 if options.quick else TUNED
    clean = pictures.validation[:: len(pictures.validation) // count][:count]  # faces: of many people
    spoiled = add_noise(clean, level, options.seed + 1)
    everywhere = np.ones(clean.shape[:3], np.bool_)
    return {
        system: best_of(ways, (spoiled,), lambda result: -errors(clean, result, everywhere).psnr)
        for system, ways in noise.candidates(level, clean.shape[3] == 3).items()
    }


def claims(results: Results) -> list[Claim]:
    """Returns the claims of the issue: in how many cells the interval of our lead lies above zero."""
    cells, source = "share of cells in which ours is ahead of the best peer", "scikit-image in the same run"
    faces, both = share_ahead(results, SETS[:1]), share_ahead(results, SETS)
    return [
        *floor_and_goal(f"{cells}, faces", faces, floor=0.51, goal=None, source=source, higher_is_better=True),
        *goal_alone(f"{cells}, faces and colour pictures", both, 1.0, source, higher_is_better=True),
    ]


def share_ahead(results: Results, names: Sequence[str]) -> float | None:
    """Returns the share of the cells of some sets in which we are ahead; None while one is missing."""
    seed = results.options.seed
    rows = [results.find(Key(OURS, LEAD, f"{name}, {damage}", seed)) for name in names for damage in (*LEVELS, *HOLES)]
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
