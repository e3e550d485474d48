"""Sections about what is alike to a model, and what makes the difference between classes."""

from __future__ import annotations

import numpy as np

from latentia.data import spread
from latentia.files import synthetic_tag
from latentia.report.blocks import Picture, Prose, Section, Strips, picture
from latentia.report.material import Material
from latentia.tasks import Encoding, attribute, change, neighbours, present, reconstruct

EXAMPLES = 6
FEWEST_ALIKE = 3  # pictures in a row: one, and two of which one is nearer
ATTRIBUTES = 4
STRENGTHS = tuple(np.linspace(-0.5, 1.5, 9).tolist())
FEWEST = 5  # examples of a class whose mean means something


def alike(material: Material) -> Section | None:
    """Examples, and those whose latents are nearest to theirs."""
    columns = min(material.shown_in_row, len(material.encoding))
    if not material.pictures or columns < FEWEST_ALIKE:
        return None
    shown_rows = spread(np.arange(len(material.encoding)), EXAMPLES)
    asked = Encoding(material.encoding.mean[shown_rows], material.encoding.std[shown_rows])
    found = neighbours(material.encoding, asked, k=columns)
    strips: list[Picture] = []
    for number, row in enumerate(shown_rows.tolist()):
        others = np.flatnonzero(found.rows[number] != row)[: columns - 1]
        shown = material.rows[[row, *found.rows[number, others]]]
        pictures = present(material.trained, reconstruct(material.trained, material.dataset, shown).original)
        distances = found.distances[number, others]
        label = f"{distances[0]:.1f} to {distances[-1]:.1f}"
        strips.append(picture(pictures, columns, "an example and those nearest to it", label=label))
    text = (
        "The first picture of each row is an example; those beside it are the ones of the data whose latents are "
        "nearest to its own, the nearest first. Where they look alike to you too, the model sees what you see. Beside "
        "each row stand the distances of the nearest and the farthest, in standard deviations of the posteriors: below "
        "about one the model can hardly tell two examples apart."
    )
    own = material.trained.config.model.label
    if own is not None:
        text += f" This model has the classes of '{own}' apart from its latents: these compare what they leave open."
    return Section("alike", "Nearest neighbours in latent space", (Prose(text), Strips(tuple(strips))))


def arithmetic(material: Material) -> Section | None:
    """What the difference between classes does to examples."""
    head = _head(material) if material.pictures else None
    if head is None:
        return None
    values, names = material.dataset.labels[head][material.rows], material.dataset.label_names[head]
    sizes = np.bincount(values[values >= 0], minlength=len(names))
    classes = np.argsort(-sizes, kind="stable")[: 2 * ATTRIBUTES]
    classes = np.sort(classes[sizes[classes] >= FEWEST])
    strips: list[Picture] = []
    numbers: list[int] = classes.tolist()
    for origin, target in zip(numbers, [*numbers[1:], *numbers[:1]], strict=True):
        if len(strips) == ATTRIBUTES:
            break
        direction = attribute(
            *(material.dataset, material.encoding, names[target]), head=head, origin=names[origin], rows=material.rows
        )
        start = material.encoding.latents(int(np.flatnonzero(values == origin)[0]))
        frames = present(material.trained, change(material.trained, start, direction, STRENGTHS))
        alt = f"an example moved from {names[origin]} towards {names[target]}"
        label = f"{names[origin]} → {names[target]}"
        strips.append(picture(frames, len(STRENGTHS), alt, label=label, synthetic=synthetic_tag("change")))
    text = (
        f"For two classes of '{head}' the difference between the means of their latents is a direction. Each row takes "
        "an example of the first class, goes half of that way back, and then forth to one and a half of it: the third "
        "picture is the example itself, the seventh has gone the whole way. Where classes lie apart in latent space "
        "the example keeps its own manner and changes its class. The model never saw these labels."
    )
    return Section("arithmetic", "Attribute arithmetic", (Prose(text), Strips(tuple(strips)))) if strips else None


def _head(material: Material) -> str | None:
    """Returns the first column of labels with at least two classes of some size that the model does not have apart."""
    for head, values in material.dataset.labels.items():
        if head == material.trained.config.model.label:
            continue
        known = values[material.rows]
        if (np.bincount(known[known >= 0]) >= FEWEST).sum() >= 2:
            return head
    return None
