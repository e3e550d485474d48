"""Verbs that write pictures: generate, reconstruct, interpolate, traverse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import latentia
from latentia.cli.console import count
from latentia.cli.options import OutputFolder, RunArgument, Seed
from latentia.cli.outcome import Outcome
from latentia.errors import DataError, OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from latentia.data import Dataset, ImagePreprocessing
    from latentia.data.preprocessing import Pixels, Seen
    from latentia.runs import TrainedModel

STEPS = 9
GRID = "grid"
Inputs = Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Pictures.")]


def generate(
    run: RunArgument,
    output: OutputFolder,
    number: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 16,
    seed: Seed = 0,
) -> Outcome:
    """Make new pictures: single files and a grid."""
    trained = _read(run)
    from latentia import tasks

    samples = tasks.present(trained, tasks.generate(trained, number, seed))
    names = [f"sample-{index:04}" for index in range(number)]
    files = _write(output, "generate", zip(names, samples, strict=True), samples)
    return _outcome(count(number, "picture"), output, files)


def reconstruct(run: RunArgument, inputs: Inputs, output: OutputFolder) -> Outcome:
    """Show pictures beside what the model makes of them."""
    trained = _read(run)
    import numpy as np

    from latentia import tasks

    pair = tasks.reconstruct(trained, read_inputs(trained, inputs))
    original, mean = tasks.present(trained, pair.original), tasks.present(trained, pair.mean)
    beside: NDArray[np.uint8] = np.stack([original, mean], 1).reshape(-1, *mean.shape[1:])
    columns = 2 * math.ceil(math.sqrt(len(inputs) / 2))
    files = _write(output, "reconstruct", zip(_names(inputs), mean, strict=True), beside, columns, inputs)
    return _outcome(count(len(inputs), "reconstruction"), output, files)


def interpolate(
    run: RunArgument,
    first: Annotated[Path, typer.Argument(metavar="A", help="The picture to start from.")],
    last: Annotated[Path, typer.Argument(metavar="B", help="The picture to end at.")],
    output: OutputFolder,
) -> Outcome:
    """Walk from one picture to another through the latents."""
    trained = _read(run)
    from latentia import tasks

    frames = tasks.present(trained, tasks.interpolate(trained, read_inputs(trained, [first, last]), steps=STEPS))
    names = [f"frame-{index:02}" for index in range(STEPS)]
    files = _write(output, "interpolate", zip(names, frames, strict=True), frames, STEPS, (first, last))
    return _outcome(count(STEPS, "frame"), output, files)


def traverse(
    run: RunArgument,
    output: OutputFolder,
    start: Annotated[
        Path | None, typer.Option("--input", metavar="X", help="Start from this picture, not from a typical example.")
    ] = None,
    seed: Seed = 0,
) -> Outcome:
    """Show what each of the most informative latents does: one row each."""
    trained = _read(run)
    import torch

    from latentia import tasks
    from latentia.data import grid

    place = None
    if start is not None:
        place = torch.from_numpy(tasks.encode(trained, read_inputs(trained, [start])).mean[0])
    result = tasks.traverse(trained, start=place, steps=STEPS, seed=seed)
    frames = tasks.present(trained, result.frames.flatten(0, 1))
    latents: list[int] = result.latents.tolist()
    rows = [grid(frames[row * STEPS : (row + 1) * STEPS], STEPS) for row in range(len(latents))]
    named = zip((f"latent-{latent:03}" for latent in latents), rows, strict=True)
    files = _write(output, "traverse", named, frames, STEPS, () if start is None else (start,))
    ranking = [
        {"latent": latent, "score": float(score), "unit": result.unit}
        for latent, score in zip(latents, result.scores, strict=True)
    ]
    return _outcome(count(len(latents), "latent"), output, files, latents=ranking)


def read_inputs(trained: TrainedModel, paths: Sequence[Path]) -> Dataset:
    """Reads pictures and brings them into the model's form.

    Raises:
        FileError: a file is missing or cannot be read.
        DataError: one is no picture, or damaged; the message names it.
    """
    import numpy as np

    from latentia.data import Dataset, ImagePreprocessing

    form = trained.preprocessing
    if not isinstance(form, ImagePreprocessing):
        raise OptionError("The model takes vectors, not pictures.")
    rows, seen = zip(*(_read_input(form, path) for path in paths), strict=True)
    whole = np.ones((form.height, form.width), np.bool_)
    observed = np.stack([whole if part is None else part for part in seen])
    names = tuple(str(path) for path in paths)
    return Dataset(np.stack(rows), None if observed.all() else observed, file_names=names)


def _read_input(form: ImagePreprocessing, path: Path) -> tuple[Pixels, Seen | None]:
    from latentia.data import read_picture

    picture = read_picture(path)
    try:
        return form.apply(picture)
    except DataError as error:
        raise DataError(f"{path} cannot be used: {error}") from error


def _read(run: Path) -> TrainedModel:
    """Reads a model of pictures."""
    from latentia.runs import read_model

    trained = read_model(run)
    if trained.preprocessing.kind != "image":
        raise OptionError(f"{run} holds a model of vectors, and this verb makes pictures; use latentia.load in Python.")
    return trained


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
    pictures: Iterable[tuple[str, NDArray[Any]]],
    sheet: NDArray[Any],
    columns: int | None = None,
    inputs: Sequence[Path] = (),
) -> list[Path]:
    """Writes single pictures and a grid of them all, each with the tag that tells that it is synthetic."""
    from latentia.data import grid, write_picture
    from latentia.files import make_folder

    targets = {output / f"{name}.png": pixels for name, pixels in (*pictures, (GRID, grid(sheet, columns)))}
    for path in targets:
        if path.exists() and any(path.samefile(own) for own in inputs):
            raise OptionError(f"{path} is an input, and the results would replace it; choose another folder with -o.")
    make_folder(output)
    for path, pixels in targets.items():
        write_picture(path, pixels, synthetic=f"latentia {latentia.__version__} {task}")
    return list(targets)


def _outcome(what: str, output: Path, files: list[Path], **facts: Any) -> Outcome:
    text = f"Wrote {what} to {output}. Look at {output / 'grid.png'}"
    return Outcome(text, {"output": str(output), "files": [str(path) for path in files], **facts})
