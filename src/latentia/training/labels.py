"""Which labels a model learns."""

from __future__ import annotations

from latentia.config import Config
from latentia.data import Dataset
from latentia.errors import OptionError, nearest
from latentia.models import MODELS


def with_classes(config: Config, dataset: Dataset) -> Config:
    """Returns the configuration with the labels of a conditional model and their number of classes in it.

    Args:
        config: the whole configuration; its `model.label` names the labels, the first of the data if None.
        dataset: the training data.

    Raises:
        OptionError: the data have no such labels, fewer than two classes, or the model takes none.
    """
    wanted = config.model.label
    if "label" not in MODELS.arguments(config.model.kind):
        if wanted is not None:
            raise OptionError(
                f"model.label={wanted} is for models with labels, not for the kind '{config.model.kind}'; take the "
                "preset 'conditional'."
            )
        if config.model.classes:
            raise OptionError("model.classes is counted in the labels of a conditional model; leave it out.")
        return config
    heads = dataset.label_names
    if not heads:
        raise OptionError(
            "A conditional model needs labels, and these data have none: they come from class subfolders, a "
            "metadata.csv, a labels file (--labels), or y."
        )
    label = next(iter(heads)) if wanted is None else wanted
    if label not in heads:
        raise OptionError(f"The data have no labels '{label}': {nearest(label, heads)}")
    if len(heads[label]) < 2:
        raise OptionError(f"The labels '{label}' need at least two classes, not {len(heads[label])}.")
    return config.with_settings({"model": {"label": label, "classes": len(heads[label])}})
