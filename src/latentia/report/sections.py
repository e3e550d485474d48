"""The sections of a report, each a function of the same material; None where it does not apply."""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from sklearn.decomposition import PCA  # pyright: ignore[reportMissingTypeStubs]

import latentia
from latentia.data import ARRAYS
from latentia.evaluation import explained
from latentia.files import synthetic_tag
from latentia.hub import ESTIMATORS
from latentia.metrics import active_units, information_per_latent
from latentia.models import prior_roles
from latentia.presets import PRESETS
from latentia.report.alike import alike, arithmetic
from latentia.report.blocks import Block, Chart, Charts, Folded, Notes, Picture, Prose, Section, Strips, Table, picture
from latentia.report.charts import bars, curves, scatter
from latentia.report.classes import recognised, samples_of_classes
from latentia.report.material import Material
from latentia.report.repairs import completions
from latentia.report.restored import restored
from latentia.report.sounds import recordings, utterance_latents, voices
from latentia.report.ways import ways
from latentia.runs import TrainedModel
from latentia.tasks import generate, present, reconstruct, traverse

ROWS_OF_PAIRS, ROWS_OF_SAMPLES = 2, 4
TRAVERSED, FRAMES = 8, 9
LISTED_FILES = 300
MAPPED_HEADS = 3


def diagnosis(material: Material) -> Section:
    """What is right and wrong, and what to do."""
    return Section("diagnosis", "Diagnosis", (Notes(material.findings),))


def data(material: Material) -> Section:
    """What the data were and what was done to them."""
    record, dataset = material.trained.data, material.dataset
    which = f": {material.which}" if material.which else ""
    rows = [
        ("Data", record.name),
        ("Trained on", f"{record.n_train} examples"),
        ("Held out while training", f"{record.n_validation} examples"),
        ("Figures and pictures here", f"{material.metrics.n_examples} examples{which}"),
    ]
    rows += [(f"Classes of '{head}'", _shorten(names)) for head, names in material.trained.label_names.items()]
    blocks: list[Block] = [Table(("", ""), tuple(rows)), Prose(material.trained.preprocessing.describe())]
    if record.problems:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(record.problems.items()))
        blocks.append(Prose(f"Found wrong with the training files: {counts}."))
    if dataset.problems:
        lines = [
            f"{problem.file_name}: {problem.message}{' (left out)' if problem.skipped else ''}"
            for problem in dataset.problems[:LISTED_FILES]
        ]
        more = len(dataset.problems) - len(lines)
        text = "\n".join([*lines, f"... and {more} more"] if more else lines)
        blocks.append(Folded(f"{len(dataset.problems)} remarks on single files", text))
    return Section("data", "The data", tuple(blocks))


def learning(material: Material) -> Section | None:
    """How the figures moved while training."""
    history = material.history
    if not history:
        return None
    epochs = [line.get("epoch", number + 1) for number, line in enumerate(history)]
    names = {
        "elbo": "Bound (ELBO), nats",
        "distortion": "Distortion, nats",
        "rate": "Rate, nats",
    }
    drawn = [curves(title, epochs, series) for name, title in names.items() if (series := _series(history, name))]
    minutes = history[-1].get("minutes")
    took = "" if minutes is None else f" in {_duration(minutes)}"
    text = (
        f"{len(history)} passes over the data (epochs){took}. The bound should rise and the distortion fall. Where "
        "'held out' turns away from 'training', the model begins to learn single examples by heart. Held-out figures "
        "are of the averaged weights, which are ahead of those that training sees. The very first epochs may lie "
        "outside of the picture."
    )
    if _staged(material.trained):
        text += " All of this is of the prior that the model was trained with, before the second stage."
    return Section("learning", "Learning", (Prose(text), Charts(tuple(drawn)))) if drawn else None


def reconstructions(material: Material) -> Section | None:
    """Examples above what became of them."""
    if not material.pictures:
        return None
    columns = material.shown_in_row
    chosen = material.spread(ROWS_OF_PAIRS * columns)
    count = len(chosen)
    result = reconstruct(material.trained, material.dataset, chosen)
    before, after = present(material.trained, result.original), present(material.trained, result.mean)
    strips: list[Picture] = []
    for start in range(0, count, columns):
        part = slice(start, start + columns)
        strips.append(picture(before[part], columns, "originals", label="original"))
        made = synthetic_tag("reconstruct")
        strips.append(picture(after[part], columns, "reconstructions", label="given back", synthetic=made))
    text = (
        "Each picture is squeezed into its latents and drawn again from them alone. What is missing below is what "
        "the model does not keep; a little blur is normal, since it shows the average of what it thinks possible."
    )
    observed = material.dataset.observed
    if observed is not None and not np.asarray(observed[chosen]).all():
        text += " Missing pixels of originals are black, and filled in below."
    return Section("reconstructions", "Reconstructions", (Prose(text), Strips(tuple(strips))))


def samples(material: Material) -> Section | None:
    """New pictures."""
    if not material.pictures:
        return None
    text = "Nobody drew these: latents at random, turned into pictures. They show what the model takes for typical."
    if material.trained.config.model.label is not None:
        text += " Each row is of one class; those below each other have the same latents besides."
        return Section("samples", "Samples", (Prose(text), samples_of_classes(material.trained, material.shown_in_row)))
    columns = material.shown_in_row
    made = present(material.trained, generate(material.trained, ROWS_OF_SAMPLES * columns))
    shown = picture(made, columns, "pictures that the model made up", synthetic=synthetic_tag("generate"))
    return Section("samples", "Samples", (Prose(text), shown))


def latent_map(material: Material) -> Section | None:
    """The latents of the data in two dimensions."""
    means = material.encoding.mean
    if means.shape[0] < 3 or means.shape[1] < 2 or not np.ptp(means, axis=0).any():
        return None
    analysis: Any = PCA(n_components=2, svd_solver="full")
    points: NDArray[np.float64] = analysis.fit_transform(means.astype(np.float64))
    ratios: list[float] = analysis.explained_variance_ratio_.tolist()
    shares = [f"direction {number} ({share:.0%} of the variance)" for number, share in enumerate(ratios, start=1)]
    heads = [name for name in material.dataset.labels if material.dataset.label_names.get(name)][:MAPPED_HEADS]
    charts = [_map(material, points, head, (shares[0], shares[1])) for head in heads or [None]]
    unseen = "" if material.trained.config.model.label in heads else ", which the model never saw"
    coloured = f" Colours are the classes of {_listed(heads)}{unseen}." if heads else ""
    text = (
        "Each dot is one example; near dots are alike to the model. The map is the flat shadow (PCA) of a space of "
        f"{means.shape[1]} dimensions, so that groups that overlap here may be apart there.{coloured}"
    )
    return Section("map", "Latent map", (Prose(text), *(Charts((chart,), len(charts) > 1) for chart in charts)))


def _map(material: Material, points: NDArray[np.float64], head: str | None, labels: tuple[str, str]) -> Chart:
    """Draws the map in the colours of a head's classes."""
    if head is None:
        return scatter("Latent map", points, np.full(len(points), -1), (), labels)
    groups = material.dataset.labels[head][material.rows]
    return scatter(f"Latent map by {head}", points, groups, material.dataset.label_names[head], labels)


def _listed(heads: Sequence[str]) -> str:
    return ", ".join(f"'{head}'" for head in heads)


def traversals(material: Material) -> Section | None:
    """What single latents do."""
    if not material.pictures:
        return None
    walked = traverse(material.trained, material.encoding, n_latents=TRAVERSED, steps=FRAMES)
    strips: list[Picture] = []
    for row, latent in enumerate(walked.latents.tolist()):
        frames = present(material.trained, walked.row(row))
        label = f"latent {latent} · {walked.scores[row]:.2f} nats"
        alt = f"latent {latent} from low to high"
        strips.append(picture(frames, FRAMES, alt, label=label, synthetic=synthetic_tag("traverse")))
    text = (
        "In each row one latent goes from low to high, over the range of the data; the others stay where a typical "
        "example has them. The most informative come first; how much they tell about an example stands beside them."
    )
    return Section("traversals", "What the latents do", (Prose(text), Strips(tuple(strips))))


def latents(material: Material) -> Section | None:
    """How much each latent carries; one example alone does not tell."""
    if len(material.encoding) < 2:
        return None
    scores = information_per_latent(material.encoding.mean, material.encoding.std)
    active = active_units(material.encoding.mean)
    order = np.argsort(-scores, kind="stable")
    chart = bars("Information in each latent", scores[order], active[order], "nats", ("active", "unused"))
    text = (
        f"{material.metrics.active_units} of {material.metrics.latent_dim} latents are active. Bars show how much each "
        "by itself tells about an example. The model drops latents that do not earn their cost; a few tall bars and a "
        "flat tail are normal."
    )
    return Section("latents", "Active latents", (Prose(text), Charts((chart,))))


def figures(material: Material) -> Section:
    """All figures, each with a sentence."""
    return Section("figures", "Figures", (Table(("", "Value", "What it means"), tuple(explained(material.metrics))),))


def reproduction(material: Material) -> Section:
    """How to get the same model again."""
    trained = material.trained
    preset = PRESETS.get(trained.config.preset or "")
    facts = (
        *(() if preset is None else (("Preset", f"{preset.name}: {preset.description}"), ("After", preset.paper))),
        ("Latentia", trained.library_version),
        ("Latentia (this page)", latentia.__version__),
        ("PyTorch", torch.__version__),
        ("NumPy", np.__version__),
        ("Python", platform.python_version()),
        ("Fingerprint of the data", trained.data.fingerprint or "none"),
    )
    configurations = [Folded("Configuration: config.yaml", _yaml(trained.config.first_stage.model_dump(mode="json")))]
    if _staged(trained):
        configurations.append(Folded("Configuration of the second stage: prior.yaml", _yaml(_second_stage(trained))))
    timed = trained.config.training.max_minutes is not None
    text = (
        "Save the configuration below under its name and run these lines. On the same machine, with the same versions "
        f"and data, weights are {'nearly the same, since the clock had a say' if timed else 'the same bit for bit'}."
    )
    blocks = (Prose(text), Folded("Command", _command(trained)), *configurations, Table(("", ""), facts))
    return Section("reproduce", "How to get the same again", blocks)


def _staged(trained: TrainedModel) -> bool:
    """Tells whether the prior was fitted in a second stage."""
    return trained.config.first_stage is not trained.config


def _second_stage(trained: TrainedModel) -> dict[str, Any]:
    """Returns the settings of the second stage."""
    config = trained.config.model
    model = config.model_dump(mode="json", include=set(prior_roles(config.kind)))
    return {"model": model, "prior_stage": trained.config.prior_stage.model_dump(mode="json", exclude={"first"})}


def _yaml(settings: dict[str, Any]) -> str:
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _command(trained: TrainedModel) -> str:
    """Returns what trains the same model: a command, or lines of Python where the data were arrays."""
    if trained.data.name != ARRAYS:
        labels = f" --labels {shlex.quote(trained.data.labels_file)}" if trained.data.labels_file else ""
        skip_bad = " --skip-bad" if trained.data.skip_bad else ""
        train = f"latentia train {shlex.quote(trained.data.name)} -o RUN{labels}{skip_bad}"
        first = f"{train} --config config.yaml"
        return f"{first}\n{train} --stage prior --config prior.yaml" if _staged(trained) else first
    # Waveforms come with a rate of their own, which the model does not know.
    rate = "sample_rate=RATE, " if trained.preprocessing.kind == "speech" else ""
    estimator = f"latentia.{ESTIMATORS[trained.preprocessing.kind].__name__}"
    data, also = ("x, y", "y=y, ") if trained.config.model.label is not None else ("x", "")
    lines = (
        "import latentia, yaml",
        'settings = yaml.safe_load(open("config.yaml"))',
        f"vae = {estimator}({rate}preset=settings.pop('preset'), settings=settings)",
        f"vae.fit({data})",
        f'vae.fit_prior(x, {also}settings=yaml.safe_load(open("prior.yaml")))',
    )
    return "\n".join(lines if _staged(trained) else lines[:-1])


SectionMaker = Callable[[Material], Section | None]
FIRST: tuple[SectionMaker, ...] = (
    *(diagnosis, reconstructions, completions, restored, recordings, samples, voices, traversals),
    *(utterance_latents, ways, arithmetic, alike, latent_map, recognised),
)
LAST: tuple[SectionMaker, ...] = (learning, latents, figures, data, reproduction)
WITH_MEDIA: frozenset[SectionMaker] = frozenset(
    {reconstructions, completions, restored, recordings, samples, voices, traversals, utterance_latents, ways}
    | {arithmetic, alike}
)


def _series(history: Sequence[Mapping[str, float]], name: str) -> dict[str, list[float]]:
    """Returns a figure of training and held-out examples over the epochs, where it was measured."""
    columns = {"training": f"train_{name}", "held out": f"validation_{name}"}
    return {
        where: [line.get(column, math.nan) for line in history]
        for where, column in columns.items()
        if any(column in line for line in history)
    }


def _duration(minutes: float) -> str:
    return f"{60 * minutes:.0f} seconds" if minutes < 2 else f"{minutes:.0f} minutes"


def _shorten(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} ... ({len(names)} in all)" if len(names) > most else shown
