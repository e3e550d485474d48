"""What stands in a run folder for people: figures, card and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from latentia.data import Dataset, Indices
from latentia.evaluation import Metrics, evaluate, model_card
from latentia.files import make_folder, write_json, write_text
from latentia.report.page import write_report
from latentia.runs import RunFolder, TrainedModel


def write_outputs(
    run: RunFolder,
    trained: TrainedModel,
    dataset: Dataset,
    history: Sequence[Mapping[str, float]] = (),
    *,
    rows: Indices | None = None,
    is_samples: int | None = None,
    media: bool = True,
    which: str = "",
) -> Metrics:
    """Evaluates a model and writes `metrics.json`, `README.md` and `report.html`.

    Args:
        run: the folder.
        trained: the model.
        dataset: what to evaluate on.
        history: one line of figures for each epoch.
        rows: which examples of it, for instance those held out; all if None.
        is_samples: importance samples for each example; None for none.
        media: whether pictures may be put into the report.
        which: in words, which examples they are.

    Returns:
        The figures that were written.

    Raises:
        DataError: no examples.
        FileError: the place cannot be written.
    """
    metrics = evaluate(trained, dataset, rows=rows, is_samples=is_samples)
    make_folder(run.path)
    write_json(run.metrics, metrics.as_dict())
    write_text(run.card, model_card(trained, metrics))
    write_report(
        run.report,
        trained,
        dataset,
        metrics,
        history,
        rows=rows,
        media=media,
        which=which,
    )
    return metrics
