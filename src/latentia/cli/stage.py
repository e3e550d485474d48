"""The second stage of the verb that trains: a new prior for a finished model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from latentia.cli.console import counting, say
from latentia.cli.job import Job, as_recorded, load_data, require_same_data, require_same_labels
from latentia.cli.measure import describe
from latentia.cli.outcome import STOPPED, InterruptionError, Outcome
from latentia.cli.standing import is_complete, is_unfinished
from latentia.cli.train import where_to_look, write_documents
from latentia.errors import OptionError, RunError, nearest

STAGES = ("prior",)


def require_stage(stage: str, others: Mapping[str, Any]) -> None:
    """Checks the name of a stage, and that no options were given that are of the first one.

    Raises:
        OptionError: it is unknown, or one of `others` is not None.
    """
    if stage not in STAGES:
        raise OptionError(f"Unknown stage '{stage}': {nearest(stage, STAGES)}")
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise OptionError(
            f"--stage {stage} works on a finished run, whose encoder and decoder stay as they are, so "
            f"{' and '.join(given)} cannot be given."
        )


def fit_prior_stage(job: Job, settings: Mapping[str, Any]) -> Outcome:
    """Fits a new prior to the finished model of a run, and writes all that tells about it anew."""
    from latentia.runs import read_history, read_model, write_model
    from latentia.training.second_stage import fit_second_stage, second_stage_config

    run = job.run
    trained = read_model(run.path)
    require_same_data(job, trained.preprocessing, trained.data)
    job = as_recorded(job, trained.data)
    if trained.config.first_stage is trained.config and is_unfinished(run, trained.config, trained.data):
        raise RunError(f"The training in {run.path} has not finished; first go on with it: --resume, without --stage.")
    config = second_stage_config(trained.config, trained.data.n_train, settings)
    with run.locked():
        dataset = load_data(job, trained.preprocessing)
        require_same_labels(job, dataset, trained.data, trained.label_names)
        prior, stage = config.model.prior.name, config.prior_stage
        say(
            f"Second stage: encoder and decoder of {run.path} stay as they are; the prior {prior} is fitted to the "
            f"latents of its training data in at most {stage.steps} steps. Until that is done nothing is written."
        )
        with counting("Fitting the prior") as progress:
            result = fit_second_stage(trained, dataset, config, progress=progress)
        staged = replace(result.trained, data=replace(trained.data, media=job.media, skip_bad=job.skip_bad))
        _, held_out = trained.split(dataset)
        write_model(run, staged)
        try:
            metrics = write_documents(job, staged, dataset, held_out, read_history(run))
        except STOPPED as error:
            raise InterruptionError(
                f"Interrupted; {run.path} has its new prior, but figures and report are the old ones: --resume writes "
                "new ones."
            ) from error
    costs = {"rate_before_nats": result.before, "rate_after_nats": result.after}
    facts = {"run": str(run.path), "stage": "prior", "prior": prior, **costs, "metrics": metrics.as_dict()}
    text = f"{_fitted(prior, result.before, result.after)} {describe(metrics)}\n{where_to_look(run, staged)}"
    return Outcome(text, {**facts, "report": str(run.report)})


def after_prior_stage(job: Job, limits: Mapping[str, Any]) -> Outcome:
    """Answers `--resume` on a run whose prior was fitted in a second stage: what is missing in it is written.

    Raises:
        RunError: its training is to go on.
    """
    from latentia.runs import read_history, read_model

    run = job.run
    if limits:
        raise RunError(
            f"The prior of {run.path} was fitted in a second stage, after which its training cannot go on; start a new "
            "run with another -o."
        )
    with run.locked():
        if not is_complete(run):
            trained = read_model(run.path)
            dataset = load_data(job, trained.preprocessing)
            require_same_labels(job, dataset, trained.data, trained.label_names)
            _, held_out = trained.split(dataset)
            write_documents(job, trained, dataset, held_out, read_history(run))
    text = f"The training in {run.path} has finished already, and its prior was fitted in a second stage."
    return Outcome(f"{text}\nLook at {run.report}", {"run": str(run.path), "ending": "finished", "stage": "prior"})


def _fitted(prior: str, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return f"Fitted the prior {prior}."
    changed = "fell" if after < before else "rose"
    return f"Fitted the prior {prior}: the rate of held-out examples {changed} from {before:.2f} to {after:.2f} nats."
