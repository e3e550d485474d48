"""`report.html`: one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

import latentia
from latentia.data import Dataset, Indices
from latentia.evaluation import Metrics, diagnose, verdict
from latentia.files import write_text
from latentia.report.blocks import Section, Tile
from latentia.report.material import Material
from latentia.report.sections import FIRST, LAST, WITH_MEDIA
from latentia.runs import TrainedModel
from latentia.tasks import encode


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: what it is about.
        verdict: the most important, in a sentence or two.
        tiles: the few figures to see first.
        sections: the rest.
        media: whether pictures or recordings of the person's data are in it.
    """

    title: str
    verdict: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    media: bool


def write_report(
    path: Path,
    trained: TrainedModel,
    dataset: Dataset,
    metrics: Metrics,
    history: Sequence[Mapping[str, float]],
    *,
    rows: Indices | None = None,
    title: str | None = None,
    media: bool = True,
    sections: Sequence[Section] = (),
    which: str = "",
) -> None:
    """Writes a report for people to read.

    Args:
        path: the file.
        trained: the model.
        dataset: what the metrics are of.
        metrics: from `evaluate`.
        history: one line of figures for each epoch; may be empty.
        rows: which examples of `dataset` the metrics are of; all if None.
        title: of the page; one with the model's name if None.
        media: whether pictures may be put into it; without them nothing of the data can be seen in it but file names.
        sections: more of them, shown before the learning curves; the caller sees to `media` in them.
        which: in words, which examples the metrics are of, for example "the test split of digits".

    Raises:
        FileError: the file cannot be written.
    """
    write_page(path, report_page(trained, dataset, metrics, history, rows, title, media, sections, which))


def report_page(
    trained: TrainedModel,
    dataset: Dataset,
    metrics: Metrics,
    history: Sequence[Mapping[str, float]],
    rows: Indices | None = None,
    title: str | None = None,
    media: bool = True,
    sections: Sequence[Section] = (),
    which: str = "",
) -> Page:
    """Gathers what `write_report` writes."""
    chosen = np.arange(len(dataset)) if rows is None else rows
    encoding = encode(trained, dataset, chosen)
    findings = tuple(diagnose(trained, metrics, history, encoding))
    material = Material(trained, dataset, chosen, metrics, history, encoding, findings, which)
    first, last = (
        [made for make in makers if (media or make not in WITH_MEDIA) and (made := make(material))]
        for makers in (FIRST, LAST)
    )
    return Page(
        title=title or f"What the model '{trained.name}' learned",
        verdict=verdict(metrics, findings),
        tiles=_tiles(metrics, trained),
        sections=(*first, *sections, *last),
        media=media and material.media,
    )


def write_page(path: Path, page: Page) -> None:
    """Writes a page as one self-contained HTML file.

    Raises:
        FileError: the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("latentia.report"),
        autoescape=True,  # names of files and labels are whatever a person, or an attacker, has chosen
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    write_text(path, template.render(page=page, version=latentia.__version__))


def _tiles(metrics: Metrics, trained: TrainedModel) -> tuple[Tile, ...]:
    tiles = [
        Tile(_short(metrics.elbo_nats), "bound (ELBO), nats"),
        Tile(_short(metrics.distortion_nats), "distortion, nats"),
        Tile(_short(metrics.rate_nats), "rate, nats"),
    ]
    if metrics.active_units is not None:
        tiles.append(Tile(f"{metrics.active_units} / {metrics.latent_dim}", "latents in use"))
    if metrics.bits_per_second is not None:
        tiles.append(Tile(_short(metrics.bits_per_second), "rate, bits a second"))
    if metrics.bits_per_dim is not None:
        tiles.append(Tile(f"{metrics.bits_per_dim:.2f}", "bits per dimension"))
    return (*tiles, Tile(_short(trained.data.n_train), "training examples"))


def _short(value: float) -> str:
    """Returns a number in at most seven characters or so: without decimals where it is whole or large."""
    whole = isinstance(value, int) or abs(value) >= 10_000
    return f"{value:,.0f}".replace(",", " ") if whole else f"{value:.1f}"
