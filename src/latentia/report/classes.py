"""The classes that a model was told of: samples of each, and which it takes for which."""

from __future__ import annotations

from latentia.files import synthetic_tag
from latentia.report.blocks import Block, Prose, Section, Strips, Table, picture
from latentia.report.material import Material
from latentia.runs import TrainedModel
from latentia.tasks import generate, known_classes, present

MOST_CLASSES = 12


def samples_of_classes(trained: TrainedModel, columns: int) -> Strips:
    """Draws a row of new pictures for each class.

    Args:
        trained: a model that was trained with labels.
        columns: pictures of each.
    """
    return Strips(
        tuple(
            picture(
                present(trained, generate(trained, columns, label=name)),
                columns,
                f"pictures of the class {name} that the model made up",
                label=name,
                synthetic=synthetic_tag("generate"),
            )
            for name in known_classes(trained)[:MOST_CLASSES]
        )
    )


def recognised(material: Material) -> Section | None:
    """Which classes are taken for which."""
    blocks: list[Block] = []
    for head, found in material.metrics.heads.items():
        names = material.trained.label_names[head]
        shown = names[:MOST_CLASSES]
        text = (
            f"Rows are the true {head}, columns what the model takes an example for: {100 * found.accuracy:.1f} % of "
            f"{found.n_examples} lie on the diagonal. The model looked at the examples alone."
        )
        more = "" if len(shown) == len(names) else f" The first {MOST_CLASSES} of {len(names)} classes are shown."
        rows = zip(shown, found.confusion, strict=False)
        table = tuple((name, *(str(count) if count else "" for count in row[: len(shown)])) for name, row in rows)
        blocks += [Prose(text + more), Table(("", *shown), table)]
    return Section("recognition", "Classes recognised", tuple(blocks)) if blocks else None
