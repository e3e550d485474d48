"""Our side of the benchmarks of damaged pictures: the sets, the preset trained on each, what it makes of damage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import ours
from benchmarks.baselines.choosing import settings_of
from benchmarks.baselines.holes import Fill, Flags, Pixels
from benchmarks.harness import CACHE, Key, Options, Row
from benchmarks.origin import commit
from benchmarks.picture_metrics import MEASURES, Scores, lead
from benchmarks.picture_sets import open_pictures, rows_to_test
from latentia.config import merge_settings
from latentia.core import Batch
from latentia.data import Mask
from latentia.files import make_folder
from latentia.runs import RunFolder, TrainedModel, read_model, write_model
from latentia.tasks import expect

T = TypeVar("T")

OURS = "Latentia, inpainting preset"
LEADS = {"PSNR": "lead over the best peer", "SSIM": "lead over the best peer, SSIM"}
MINUTES = 9.8  # with all that comes before the gradient steps
TESTED, VALIDATED = 500, 100
AT_ONCE = 50
UNITS = {"PSNR": "dB", "SSIM": ""}
ALL_PICTURES = {"data": {"validation_fraction": 0.0}}  # the clock ends trainings
PRESETS = {"orl-faces": "image-64"}  # that of photographs; of other sets inpainting
# Settings beside the preset's own, chosen on training pictures that were held out.
SETTINGS: dict[str, dict[str, Any]] = {
    "mnist": {"model": {"decoder": {"dense": 128}}},
    "fashion-mnist": {"model": {"decoder": {"dense": 128}}, "training": {"mirror": True}},
    "orl-faces": {},
    "cifar10-part": {"training": {"mirror": True}},
}


@dataclass(frozen=True)
class Pictures:
    """The pictures of a set.

    Attributes:
        train: trained on, uint8 (N, H, W, C).
        validation: settings of peers are chosen on, a part of `train`.
        test: tested on.
        groups: what is resampled together of those tested on: the subjects of faces, else each picture by itself.
    """

    train: Pixels
    validation: Pixels
    test: Pixels
    groups: NDArray[np.int64]


def read_pictures(name: str, options: Options) -> Pictures:
    """Reads what is trained and tested on."""
    source = open_pictures(name, options.mirror)
    most, validated = (10, 3) if options.quick else (TESTED, VALIDATED)
    train, test = (source.read(split) for split in ("train", "test"))
    x, tested = (part.x.reshape(*part.x.shape[:3], -1) for part in (train, test))
    chosen = np.random.default_rng(0).permutation(len(x))[:validated]  # a mirror's pictures may be sorted
    rows = rows_to_test(test.y, most)
    groups = test.y[rows] if name == "orl-faces" else rows
    return Pictures(x, x[chosen], tested[rows], groups)


def train_model(name: str, options: Options) -> TrainedModel:
    """Trains the preset on all training pictures of a set, for the time that is allowed, and keeps the model."""
    run = _kept(name, options)  # of the commit that it is trained by, whatever is committed meanwhile
    settings = merge_settings(SETTINGS[name], ALL_PICTURES)
    trained = ours.fit_within(filling_minutes(options), name, preset_of(name), options, settings)
    make_folder(run.path)
    write_model(run, trained)
    return trained


def preset_of(name: str) -> str:
    """Returns the preset that a set is trained with."""
    return PRESETS.get(name, "inpainting")


def filling_minutes(options: Options) -> float:
    """Returns how long models that fill in are trained."""
    return 0.2 if options.quick else MINUTES


def kept_model(name: str, options: Options) -> TrainedModel:
    """Returns the model that the same commit has trained already, else trains one."""
    run = _kept(name, options)
    state = commit()
    known = run.weights.exists() and state != "" and not state.endswith("-dirty") and not options.fresh
    return read_model(run.path) if known else train_model(name, options)


def _kept(name: str, options: Options) -> RunFolder:
    quick, content = "quick-" if options.quick else "", open_pictures(name, options.mirror).fingerprint()[:8]
    return RunFolder(CACHE / f"filling-{quick}{name}-{content}-{options.seed}-{commit()}")


def lead_row(metric: str, setting: str, seed: int, found: Mapping[str, Scores], groups: NDArray[np.int64]) -> Row:
    """Returns by how much we are ahead of the best of all other systems, and what of that is sure of each of them."""
    peers = {system: lead(found[OURS], scores, groups) for system, scores in found.items() if system != OURS}
    best = min(peers, key=lambda system: peers[system][0])
    value, _, high = peers[best]
    details = {"peer": best, "low": min(low for _, low, _ in peers.values()), "high": high}
    return Row(Key(OURS, LEADS[metric], setting, seed), value, UNITS[metric], details=details)


def score_rows(
    setting: str,
    seed: int,
    found: Mapping[str, Mapping[str, Scores]],
    groups: NDArray[np.int64],
    ways: Mapping[str, Mapping[str, Fill]],
) -> Iterator[Row]:
    """Yields the rows of one damage: all systems, and our leads.

    Args:
        setting: names set and damage.
        seed: of the run.
        found: for each metric the scores of all systems.
        groups: of the pictures.
        ways: of some systems, by metric, whose settings were chosen.
    """
    for metric, systems in found.items():
        for system, scores in systems.items():
            settings = settings_of(ways[system][metric]) if system in ways else ""
            details = {"settings": settings} if settings else {}
            yield Row(Key(system, metric, setting, seed), scores.figure, UNITS[metric], details=details)
        yield lead_row(metric, setting, seed, systems, groups)


def scored(truth: Pixels, results: Mapping[str, Mapping[str, Pixels]], where: Flags) -> dict[str, dict[str, Scores]]:
    """Measures what systems made of pictures, by metric.

    Args:
        truth: the pictures.
        results: for each system what it made with the settings of each metric.
        where: where they are measured.
    """
    return {
        metric: {system: measure(truth, made[metric], where) for system, made in results.items()}
        for metric, measure in MEASURES.items()
    }


def for_all_metrics(thing: T) -> dict[str, T]:
    """Returns what is the same for each metric, by metric."""
    return dict.fromkeys(MEASURES, thing)


def draw_masks(mask: Mask, images: Pixels, seed: int) -> Flags:
    """Returns what is missing of pictures, shape (N, H, W)."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return ~mask(len(images), *images.shape[1:3], generator)[:, 0].numpy()


def our_fill(trained: TrainedModel) -> Fill:
    """Returns what is expected of missing pixels, on 8 bits."""

    def fill(images: Pixels, missing: Flags) -> Pixels:
        return as_levels(torch.cat([expect(trained, batch) for batch in given_pictures(images, missing)]))

    return fill


def given_pictures(images: Pixels, missing: Flags, at_once: int = AT_ONCE) -> Iterator[Batch]:
    """Yields pictures of which a part is given, some at a time."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    given = ~torch.from_numpy(missing)[:, None]
    for start in range(0, len(x), at_once):
        yield Batch(x[start : start + at_once], given=given[start : start + at_once])


def as_levels(x: Tensor) -> Pixels:
    """Returns pictures (N, C, H, W) in [0, 1] as a file would hold them, shape (N, H, W, C)."""
    return (x.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
