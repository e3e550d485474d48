"""The verb that measures: evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from latentia.cli.console import count, reading, say, tell_problems
from latentia.cli.options import DataArgument, LabelsFile, Mirror, NoMedia, OutputFolder, RunArgument, Seed, SkipBad
from latentia.cli.outcome import Outcome

if TYPE_CHECKING:
    from latentia.data import Dataset, Indices, Source
    from latentia.evaluation import Metrics
    from latentia.runs import TrainedModel


def evaluate(
    run: RunArgument,
    data: DataArgument,
    output: OutputFolder,
    is_samples: Annotated[
        int | None, typer.Option("--is-samples", min=1, metavar="K", help="Also estimate the likelihood, with K draws.")
    ] = None,
    labels: LabelsFile = None,
    seed: Seed = 0,
    mirror: Mirror = None,
    skip_bad: SkipBad = False,
    no_media: NoMedia = False,
) -> Outcome:
    """Measure the model on data: metrics.json and report.html."""
    from latentia.data import open_for
    from latentia.runs import RunFolder, read_history, read_model

    trained = read_model(run)
    source = open_for(data, trained.preprocessing.kind, labels=labels, mirror=mirror)
    split = "test" if "test" in source.splits else source.splits[0]
    with reading(source.name) as progress:
        dataset = source.load(trained.preprocessing, split, skip_bad=skip_bad, progress=progress)
    tell_problems(dataset.problems, " are listed in the report")
    rows, which = _unseen(trained, source, split, dataset)
    n = len(dataset) if rows is None else len(rows)
    say(f"Evaluating on {count(n, 'example')}: {which}.")
    from latentia import evaluation
    from latentia.files import make_folder, write_json
    from latentia.report import write_report

    folder = RunFolder(make_folder(output))
    metrics = evaluation.evaluate(trained, dataset, rows=rows, seed=seed, is_samples=is_samples)
    write_json(folder.metrics, metrics.as_dict())
    history = read_history(RunFolder(run))
    write_report(folder.report, trained, dataset, metrics, history, rows=rows, media=not no_media, which=which)
    text = f"{describe(metrics)}\nLook at {folder.report}"
    facts = {"metrics": metrics.as_dict(), "examples": which, "report": str(folder.report)}
    return Outcome(text, facts)


def describe(metrics: Metrics) -> str:
    """Says the main figures in a sentence."""
    used = "" if metrics.active_units is None else f", {metrics.active_units} of {metrics.latent_dim} latents in use"
    classes = "".join(
        f" Of {count(found.n_examples, 'example')} of known {head}, {100 * found.accuracy:.1f} % are recognised."
        for head, found in metrics.heads.items()
    )
    likelihood = "" if metrics.nll_nats is None else f" Importance-sampled log likelihood {-metrics.nll_nats:.2f} nats."
    return (
        f"ELBO {metrics.elbo_nats:.2f} nats on {count(metrics.n_examples, 'example')}: distortion "
        f"{metrics.distortion_nats:.2f}, rate {metrics.rate_nats:.2f}{used}.{likelihood}{classes}"
    )


def _unseen(trained: TrainedModel, source: Source, split: str, dataset: Dataset) -> tuple[Indices | None, str]:
    """Chooses the examples that the model has not seen, if that can be told; and says which they are."""
    if split == "test":
        return None, f"the test split of {source.name}"
    if source.fingerprint() != trained.data.fingerprint:
        return None, f"all of {source.name}"
    _, held_out = trained.split(dataset)
    if not len(held_out):
        return None, f"all of {source.name}, which the model was trained on, since nothing was held out"
    return held_out, f"the part of {source.name} that was held out from training"
