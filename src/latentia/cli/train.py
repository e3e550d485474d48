"""The verb that trains."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentia.cli.console import count, say, tell_problems
from latentia.cli.job import Job, as_recorded, labels_per_class, load_data, require_same_data, require_same_labels
from latentia.cli.measure import describe
from latentia.cli.options import DataArgument, Mirror, NoMedia, SkipBad
from latentia.cli.outcome import STOPPED, InterruptionError, Outcome
from latentia.cli.standing import ending, is_complete, last_state
from latentia.errors import OptionError, RunError
from latentia.files import expand

if TYPE_CHECKING:
    from latentia.config import Config
    from latentia.data import Dataset, FileKind, Indices, Preprocessing
    from latentia.evaluation import Metrics
    from latentia.runs import RunFolder, TrainedModel
    from latentia.training.ending import Ending
    from latentia.training.fit import Fit, Training

NOUNS = {"image": "picture", "vector": "example", "speech": "piece"}
HOW_TO_GO_ON: dict[Ending, str] = {
    "finished": "to go on longer, give more --epochs",
    "time": "to go on longer, give more --max-minutes",
    "early": "it stopped early; for a longer one start a new run with a larger training.patience",
}
RunOutput = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="The run folder to write.")]


def train(
    data: DataArgument,
    output: RunOutput,
    preset: Annotated[
        str | None, typer.Option(metavar="P", help="image-64, inpainting, speech ...; by the data if not said.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="F.yaml", help="File with settings.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="One setting; may be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in RUN.")] = False,
    stage: Annotated[
        str | None, typer.Option(metavar="prior", help="Fit a new prior to the finished model in RUN; the rest stays.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Passes over the data.")] = None,
    max_minutes: Annotated[float | None, typer.Option(metavar="M", help="Longest time to train.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="CSV|N-per-class",
            help="A file of labels as for `evaluate`; or 10-per-class: know so many of a named set's, no others.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything that is drawn.")] = None,
    mirror: Mirror = None,
    skip_bad: SkipBad = False,
    no_media: NoMedia = False,
) -> Outcome:
    """Train a model on your data and write a run folder with a report."""
    from latentia.cli.stage import fit_prior_stage, require_stage
    from latentia.runs import RunFolder

    run = RunFolder(output)
    limits = {name: value for name, value in (("epochs", epochs), ("max_minutes", max_minutes)) if value is not None}
    if stage is not None:
        require_stage(stage, {"--resume": resume or None, "--preset": preset, **_as_options(limits)})
        chosen = _settings(config, assignments or [], {}, seed, "prior_stage")
    elif resume:
        _refuse_settings({"--preset": preset, "--config": config, "--set": assignments, "--seed": seed})
        chosen = None
    else:
        _require_new(run)
        _require_outside(run, data)
        chosen = _settings(config, assignments or [], limits, seed)
    from latentia.data import open_source

    few = labels_per_class(labels)
    file = None if labels is None or few else Path(labels)
    source = open_source(data, labels=file, mirror=mirror, kind=_wanted_kind(run, None if stage else chosen))
    again = _command(
        data, run, {"--labels": labels, "--mirror": mirror, "--skip-bad": skip_bad, "--no-media": no_media}
    )
    job = Job(run, source, labels, few, skip_bad, not no_media, again)
    try:
        if chosen is None:
            return _resume(job, limits)
        return _start(job, preset, chosen) if stage is None else fit_prior_stage(job, chosen)
    except STOPPED as error:
        raise InterruptionError(f"Interrupted; {run.path} is as it was." if stage else _how_to_go_on(job)) from error


def _start(job: Job, preset: str | None, settings: dict[str, Any]) -> Outcome:
    """Trains from the first step."""
    from latentia.presets import resolve

    config, preprocessing = resolve(job.source, preset, settings)
    with job.run.locked():
        _require_new(job.run)  # another training may have come and gone since
        training = _prepare(job, config, preprocessing)
        _announce(training, job)
        return _train(job, training, resume=False)


def _resume(job: Job, limits: dict[str, Any]) -> Outcome:
    """Goes on where a training was stopped; with wider limits also where it had ended."""
    from latentia.cli.stage import after_prior_stage
    from latentia.runs import read_parts, write_config

    run = job.run
    recorded, preprocessing, record, label_names, _ = read_parts(run)
    require_same_data(job, preprocessing, record)
    job = as_recorded(job, record)
    if recorded.first_stage is not recorded:
        return after_prior_stage(job, limits)
    config = _widened(recorded, limits)
    with run.locked():
        state = last_state(run)
        over = None if state is None else ending(config, record, state)
        if over is not None and is_complete(run):
            if limits:
                raise OptionError(f"The training in {run.path} has ended; {HOW_TO_GO_ON[over]}.")
            text = f"The training in {run.path} has finished already; {HOW_TO_GO_ON[over]}."
            return Outcome(f"{text}\nLook at {run.report}", {"run": str(run.path), "ending": over})
        training = _prepare(job, config, preprocessing)
        require_same_labels(job, training.dataset, record, label_names)
        if config != recorded:
            write_config(run, training.trained)
        if over is None:
            _announce(training, job, 0 if state is None else int(state["step"]))
        return _train(job, training, resume=state is not None)


def _prepare(job: Job, config: Config, preprocessing: Preprocessing) -> Training:
    from latentia.training.fit import prepare_training

    source, dataset = job.source, load_data(job, preprocessing)
    return prepare_training(
        dataset,
        preprocessing,
        config,
        name=source.name,
        fingerprint=source.fingerprint(),
        labels_file=job.labels or "",
        skip_bad=job.skip_bad,
        media=job.media,
    )


def _train(job: Job, training: Training, *, resume: bool) -> Outcome:
    """Trains, evaluates on what was held out, and writes the report."""
    from latentia.training.fit import fit
    from latentia.training.progress import TrainingProgress

    run = job.run
    result = fit(training, run, resume=resume, callbacks=[TrainingProgress()])
    if result.ending == "interrupted":
        raise InterruptionError(_how_to_go_on(job))
    metrics = write_documents(job, result.trained, training.dataset, training.validation, result.history)
    facts = {
        "run": str(run.path),
        "ending": result.ending,
        "epochs": len(result.history),
        "metrics": metrics.as_dict(),
        "report": str(run.report),
    }
    return Outcome(f"{_ended(result)} {describe(metrics)}\n{where_to_look(run, result.trained)}", facts)


def write_documents(
    job: Job, trained: TrainedModel, dataset: Dataset, held_out: Indices, history: Sequence[Mapping[str, float]]
) -> Metrics:
    """Evaluates a model on what was held out, and writes figures, card and report."""
    from latentia.report import write_outputs

    rows = held_out if len(held_out) else None
    which = "the training data" if rows is None else f"the part of {job.source.name} that was held out from training"
    say(f"Evaluating on {which}, writing the report.")
    return write_outputs(job.run, trained, dataset, history, rows=rows, media=job.media, which=which)


def _announce(training: Training, job: Job, done: int = 0) -> None:
    """Says what will be done, how long it will take and how much memory."""
    from latentia.training.progress import duration

    config, dataset = training.config, training.dataset
    noun = NOUNS[training.trained.preprocessing.kind]
    say(
        f"{job.source.name}: {count(len(dataset), noun)}{_minutes(training)}, {len(training.train)} to train on and "
        f"{len(training.validation)} held out. {training.trained.preprocessing.describe()}"
    )
    tell_problems(training.dataset.problems, " are listed in the report")
    needs = training.estimate()
    model = config.model
    say(
        f"Model: preset {config.preset}, {training.model.latent_dim} latents, {needs.parameters:,} weights, prior "
        f"{model.prior.name}, likelihood {model.likelihood.name}, objective {config.objective.name}."
    )
    total = training.steps_per_epoch * config.training.epochs
    seconds = 60 * needs.minutes * (1 - done / max(1, total))
    if config.training.max_minutes is not None:
        seconds = min(seconds, 60 * config.training.max_minutes)
    ahead = f"going on from step {done}, " if done else ""
    say(
        f"Training: {ahead}at most {count(config.training.epochs, 'epoch')} of "
        f"{count(training.steps_per_epoch, 'step')}, about {duration(seconds)} and "
        f"{needs.memory_bytes / 2**20:.0f} MB of memory. Writes to {job.run.path}; Ctrl-C stops it, --resume goes on."
    )


def _minutes(training: Training) -> str:
    """Says how much sound there is."""
    lengths, form = training.dataset.lengths, training.trained.preprocessing
    if lengths is None or form.kind != "speech":
        return ""
    return f" ({float(lengths.sum()) / form.sample_rate / 60:.1f} minutes)"


def _wanted_kind(run: RunFolder, settings: dict[str, Any] | None) -> FileKind | None:
    """Returns the kind of files that settings ask for; None as settings stands for a run that goes on."""
    from latentia.config import Config
    from latentia.runs import read_parts

    if settings is None:
        return read_parts(run)[0].data.kind
    return Config().with_settings({"data": settings["data"]}).data.kind if "data" in settings else None


def _settings(
    config: Path | None, assignments: list[str], limits: dict[str, Any], seed: int | None, section: str = "training"
) -> dict[str, Any]:
    """Gathers settings: the file's, those of `--set` over them, and options, which are of a section, over both."""
    from latentia.config import merge_settings, parse_assignments, read_settings

    settings = merge_settings({} if config is None else read_settings(config), parse_assignments(assignments))
    chosen = limits if seed is None else {**limits, "seed": seed}
    return merge_settings(settings, {section: chosen}) if chosen else settings


def _require_new(run: RunFolder) -> None:
    """Refuses to write over what is there."""
    if not run.is_new():
        raise RunError(f"{run.path} exists and is not empty; go on with --resume, or choose another folder with -o.")


def _require_outside(run: RunFolder, data: str) -> None:
    """Refuses a run folder among the data: what the verbs write into it would be read as data next time."""
    folder = expand(data)
    if data and folder.is_dir() and run.path.resolve().is_relative_to(folder.resolve()):
        raise OptionError(
            f"The run folder {run.path} would lie in the data folder {folder}, whose files it would become; "
            "choose another folder with -o."
        )


def _refuse_settings(given: dict[str, Any]) -> None:
    """Refuses settings beside `--resume`: a training goes on as it began."""
    wrong = [name for name, value in given.items() if value not in (None, [])]
    if wrong:
        raise OptionError(
            f"--resume takes the recorded settings, so {' and '.join(wrong)} cannot be given; start a new run with "
            "another -o to change them."
        )


def _widened(config: Config, limits: dict[str, Any]) -> Config:
    """Returns the recorded configuration with wider limits."""
    for name, wanted in limits.items():
        recorded = getattr(config.training, name)
        if recorded is None or wanted < recorded:
            shown = "has no limit" if recorded is None else f"is {recorded:g}"
            raise OptionError(f"--resume can only raise {_as_option(name)}: it {shown} in the recorded settings.")
    return config.with_settings({"training": limits}) if limits else config


def _as_options(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {_as_option(name): value for name, value in limits.items()}


def _as_option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _ended(result: Fit) -> str:
    reasons: dict[Ending, str] = {
        "finished": "Finished",
        "time": "The time is up",
        "early": "Stopped early, since the held-out loss no longer got better,",
    }
    return f"{reasons[result.ending]} after {count(len(result.history), 'epoch')}."


def where_to_look(run: RunFolder, trained: TrainedModel) -> str:
    """Says what to look at next."""
    folder = shlex.quote(str(run.path))
    kind = trained.preprocessing.kind
    if kind == "vector":
        return f"Look at {run.report}"
    made = "pictures" if kind == "image" else "recordings"
    return f"Look at {run.report}, and make new {made} with: latentia generate {folder} -o {folder}/samples"


def _command(data: str, run: RunFolder, options: Mapping[str, Path | str | bool | None]) -> str:
    """Returns the command that goes on with a training, with the options that it needs again."""
    words = ["latentia", "train", data, "-o", str(run.path), "--resume"]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value:
            words += [name, str(value)]
    return shlex.join(words)


def _how_to_go_on(job: Job) -> str:
    if not job.run.config.exists():
        return "Interrupted before the training began; nothing was written."
    return f"Interrupted; what was learned is kept. Go on with: {job.again}"
