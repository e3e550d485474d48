"""Samples of each class that a model was told of."""

from __future__ import annotations

from latentia.files import synthetic_tag
from latentia.report.blocks import Strips, picture
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
