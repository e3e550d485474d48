"""Verbs that make pictures or sounds: generate, reconstruct, interpolate, traverse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from latentia.cli.console import count, reading, tell_problems
from latentia.cli.media import Medium, medium_of, require_no_input
from latentia.cli.options import Mirror, OutputFolder, RunArgument, Seed, SkipBad
from latentia.cli.outcome import Outcome
from latentia.errors import OptionError
from latentia.files import make_folder, synthetic_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latentia.runs import TrainedModel
    from latentia.tasks import Encoding

STEPS = 9
GRID = "grid"
Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Pictures, or recordings.")]


def generate(
    run: RunArgument,
    output: OutputFolder,
    number: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 16,
    label: Annotated[str | None, typer.Option(metavar="L", help="Of which class; of a model with labels.")] = None,
    word: Annotated[str | None, typer.Option(metavar="W", help="The same for labels called 'word'.")] = None,
    speaker: Annotated[str | None, typer.Option(metavar="S", help="The same for labels called 'speaker'.")] = None,
    emotion: Annotated[str | None, typer.Option(metavar="E", help="The same for labels called 'emotion'.")] = None,
    seed: Seed = 0,
) -> Outcome:
    """Make new pictures or recordings: single files and a grid."""
    head, chosen = _chosen_class({None: label, "word": word, "speaker": speaker, "emotion": emotion})
    trained, medium = _read(run)
    from latentia import tasks

    made = tasks.generate(trained, number, seed, label=chosen, head=head)
    names = [f"sample-{index:04}" for index in range(number)]
    files = _write(output, "generate", medium, names, medium.items(made), medium.sheet([made], None))
    return _outcome(count(number, medium.noun), output, files)


def reconstruct(run: RunArgument, inputs: Inputs, output: OutputFolder) -> Outcome:
    """Show pictures or recordings beside what the model makes of them."""
    trained, medium = _read(run)
    from latentia import tasks

    dataset = medium.read(inputs)
    pair = tasks.reconstruct(trained, dataset)
    columns = 2 * math.ceil(math.sqrt(len(dataset) / 2))
    sheet = medium.sheet([pair.original, pair.mean], columns)
    items = medium.items(pair.mean, dataset)
    files = _write(output, "reconstruct", medium, _names(inputs), items, sheet, inputs)
    return _outcome(count(len(inputs), "reconstruction"), output, files)


def interpolate(
    run: RunArgument,
    first: Annotated[Path, typer.Argument(metavar="A", help="The picture or recording to start from.")],
    last: Annotated[Path, typer.Argument(metavar="B", help="The one to end at.")],
    output: OutputFolder,
    way: Annotated[
        str, typer.Option(metavar="WAY", help="linear, spherical, or along-data: from example to example of --data.")
    ] = "linear",
    data: Annotated[str | None, typer.Option(metavar="DATA", help="What to go along, for --way along-data.")] = None,
    mirror: Mirror = None,
    skip_bad: SkipBad = False,
) -> Outcome:
    """Walk from one picture or recording to another through the latents."""
    trained, medium = _read(run)
    from latentia import tasks

    along = _along(trained, way, data, mirror, skip_bad)
    dataset = medium.read([first, last])
    ends = _ends(dataset.file_names, medium)
    made = tasks.interpolate(trained, dataset, ends, steps=STEPS, way=cast(Any, way), along=along)
    names = [f"frame-{index:02}" for index in range(STEPS)]
    sheet = medium.sheet([made], STEPS)
    files = _write(output, "interpolate", medium, names, medium.items(made), sheet, (first, last))
    return _outcome(count(STEPS, "frame"), output, files)


def traverse(
    run: RunArgument,
    output: OutputFolder,
    start: Annotated[
        Path | None, typer.Option("--input", metavar="X", help="Start from this file, not from a typical example.")
    ] = None,
    seed: Seed = 0,
) -> Outcome:
    """Show what each of the most informative latents does: one file each."""
    trained, medium = _read(run)
    from latentia import tasks

    place = None if start is None else tasks.encode(trained, medium.read([start])).latents(0)
    result = tasks.traverse(trained, start=place, steps=STEPS, seed=seed)
    latents: list[int] = result.latents.tolist()
    rows = [medium.strip(medium.items(result.row(row))) for row in range(len(latents))]
    names = [f"latent-{latent:03}" for latent in latents]
    sheet = medium.sheet([result.frames], STEPS)
    files = _write(output, "traverse", medium, names, rows, sheet, () if start is None else (start,))
    ranking = [
        {"latent": latent, "score": float(score), "unit": result.unit}
        for latent, score in zip(latents, result.scores, strict=True)
    ]
    return _outcome(count(len(latents), "latent"), output, files, latents=ranking)


def _read(run: Path) -> tuple[TrainedModel, Medium]:
    """Reads a model, and finds out what it makes."""
    from latentia.runs import read_model

    trained = read_model(run)
    return trained, medium_of(trained, run)


def _along(trained: TrainedModel, way: str, data: str | None, mirror: Path | None, skip_bad: bool) -> Encoding | None:
    """Encodes the data to go along, some thousands of them."""
    if (way == "along-data") != (data is not None):
        raise OptionError("--way along-data needs --data DATA, and no other way does.")
    if data is None:
        return None
    import numpy as np

    from latentia.data import open_for, spread
    from latentia.tasks import encode
    from latentia.tasks.along import MOST_EXAMPLES

    source = open_for(data, trained.preprocessing.kind, mirror=mirror)
    with reading(source.name) as progress:
        dataset = source.load(trained.preprocessing, skip_bad=skip_bad, progress=progress)
    tell_problems(dataset.problems)
    return encode(trained, dataset, spread(np.arange(len(dataset)), MOST_EXAMPLES))


def _chosen_class(given: Mapping[str | None, str | None]) -> tuple[str | None, str | None]:
    """Returns the labels and the class that were asked for: each model has the labels of one head."""
    chosen = [(head, label) for head, label in given.items() if label is not None]
    if len(chosen) > 1:
        raise OptionError("A model has one kind of labels: give one of --label, --word, --speaker and --emotion.")
    return chosen[0] if chosen else (None, None)


def _ends(names: Sequence[str], medium: Medium) -> tuple[int, int]:
    """Returns the positions of the first example of each of two files."""
    second = next((row for row, name in enumerate(names) if name != names[0]), 1)
    if len(names) > 2:
        raise OptionError(f"One of the files is a long {medium.noun}, which the model takes in pieces: cut it shorter.")
    return 0, second


def _names(paths: Sequence[Path]) -> list[str]:
    """Names the results after the inputs; a name that is taken, be it in capitals, gets a number."""
    names: list[str] = []
    taken = {GRID}
    for path in paths:
        name, number = path.stem, 2
        while name.casefold() in taken:
            name, number = f"{path.stem}-{number}", number + 1
        names.append(name)
        taken.add(name.casefold())
    return names


def _write(
    output: Path,
    task: str,
    medium: Medium,
    names: Sequence[str],
    items: Sequence[NDArray[Any]],
    sheet: NDArray[np.uint8],
    inputs: Sequence[Path] = (),
) -> list[Path]:
    """Writes single files and a picture of them all, each with the tag that tells that it is synthetic."""
    from latentia.data import write_picture

    targets = [output / f"{name}{medium.suffix}" for name in names]
    overview = output / f"{GRID}.png"
    require_no_input((*targets, overview), inputs)
    make_folder(output)
    for path, item in zip(targets, items, strict=True):
        medium.write(path, item, task)
    write_picture(overview, sheet, synthetic=synthetic_tag(task))
    return [*targets, overview]


def _outcome(what: str, output: Path, files: list[Path], **facts: Any) -> Outcome:
    text = f"Wrote {what} to {output}. Look at {output / 'grid.png'}"
    return Outcome(text, {"output": str(output), "files": [str(path) for path in files], **facts})
