"""Verbs that mend pictures: inpaint, restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from latentia.cli.console import count, counting, say
from latentia.cli.media import require_no_input
from latentia.cli.options import OutputFolder, RunArgument, Seed
from latentia.cli.outcome import Outcome
from latentia.errors import DataError, OptionError
from latentia.files import make_folder, require_no_file, synthetic_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latentia.data import Canvas
    from latentia.runs import TrainedModel
    from latentia.tasks import Inpainting

MOST_SAMPLES = 100
COARSE = 2.0  # pixels of a picture for one of the model's, from which on people are warned
SHOWN = 256  # pixels, longest side of a picture in the grid

MaskFile = Annotated[
    Path | None,
    typer.Option("--mask", metavar="MASK", help="What is missing: a picture of the same size, white there."),
]
ResizeMask = Annotated[bool, typer.Option("--resize-mask", help="Bring a mask of another size to that of the picture.")]


def inpaint(
    run: RunArgument,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture.")],
    output: OutputFolder,
    mask: MaskFile = None,
    number: Annotated[int, typer.Option("-n", min=1, max=MOST_SAMPLES, help="How many completions.")] = 4,
    seed: Seed = 0,
    resize_mask: ResizeMask = False,
    refine: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="STEPS", help="Steps of gradient for a model that was trained without masks; 60 if not said."
        ),
    ] = None,
) -> Outcome:
    """Fill in what a mask hides or what is transparent: completions, their mean, a map of uncertainty."""
    from latentia.runs import read_model

    trained = read_model(run)
    canvas = _read_canvas(image, mask, resize_mask)
    if mask is None and not canvas.missing.any():
        raise OptionError(f"Nothing of {image} is transparent: say with --mask what is missing of it.")
    targets = _targets(output, number)
    require_no_input(targets, [path for path in (image, mask) if path is not None])
    require_no_file(output)
    from latentia import tasks

    if refine and not tasks.default_steps(trained):
        say("This model learned to go on from what is given, so there is nothing to refine: it takes no steps.")
    with counting("Filling in") as progress:
        result = tasks.inpaint(trained, canvas, n_samples=number, seed=seed, steps=refine, progress=progress)
    _warn(result)
    make_folder(output)
    _write(targets, result)
    text = f"Wrote {count(number, 'completion')}, mean and uncertainty to {output}. Look at {output / 'grid.png'}"
    return Outcome(text, {"output": str(output), "files": [str(path) for path in targets], **_facts(result)})


def restore(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.png", help="File to write, PNG or JPEG.")],
    model: Annotated[
        Path | None, typer.Option("--model", metavar="RUN", help="The run folder of a trained model; needed.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option("--mask", metavar="MASK", help="Damage, or an object, to take out: white. Nothing else changes."),
    ] = None,
    seed: Seed = 0,
    resize_mask: ResizeMask = False,
) -> Outcome:
    """Take noise off a picture, or take out what a mask covers; what else is transparent stays so."""
    from latentia.data import is_jpeg, write_picture
    from latentia.files import require_no_folder
    from latentia.runs import read_model

    if model is None:
        raise OptionError(
            "Say with --model which trained model to restore with: latentia restore IMAGE --model RUN -o OUT.png"
        )
    if output.suffix.lower() != ".png" and not is_jpeg(output):
        raise OptionError(f"The result is a PNG or JPEG file: let {output} end with .png or .jpg.")
    require_no_folder(output)
    require_no_input([output], [path for path in (image, mask) if path is not None])
    trained = read_model(model)
    canvas = _read_canvas(image, mask, resize_mask)
    if is_jpeg(output):
        _require_fit_for_jpeg(image, output, canvas)
    pixels, text, facts = (_denoise if mask is None else _take_out)(trained, canvas, seed)
    make_folder(output.parent)
    write_picture(output, pixels, synthetic=synthetic_tag("restore"))
    return Outcome(f"{text} Look at {output}", {"output": str(output), **facts})


def _denoise(trained: TrainedModel, canvas: Canvas, seed: int) -> tuple[NDArray[Any], str, dict[str, Any]]:
    from latentia import tasks

    with counting("Restoring") as progress:
        result = tasks.restore(trained, canvas, fill=False, seed=seed, progress=progress)
    if result.beyond:
        say(
            "The noise is stronger than any that the model was trained with (training.noise in its config.json), so "
            "what it takes for the picture may be wrong."
        )
    level = 255 * result.noise
    text = f"Took off noise of {level:.1f} grey levels of 255." if level else "Found no noise."
    return result.picture(), text, {"noise_level": round(level, 2)}


def _take_out(trained: TrainedModel, canvas: Canvas, seed: int) -> tuple[NDArray[Any], str, dict[str, Any]]:
    from latentia import tasks

    with counting("Filling in") as progress:
        result = tasks.inpaint(trained, canvas, n_samples=1, seed=seed, progress=progress)
    _warn(result)
    facts = _facts(result)
    return result.mean(), f"Filled in {count(facts['missing_pixels'], 'pixel')}.", facts


def _require_fit_for_jpeg(image: Path, output: Path, canvas: Canvas) -> None:
    """Refuses a picture that JPEG cannot hold, and says what it does to the others."""
    if canvas.has_opacity or canvas.white != 255:
        raise OptionError(f"JPEG has no transparency, 1 or 16 bits, as {image} has: let {output} end with .png.")
    say(f"As JPEG, {output} differs a little from {image} everywhere; PNG keeps bit for bit what is not restored.")


def _warn(result: Inpainting) -> None:
    """Says where a hole is too large for the detail of the picture."""
    if result.factor > COARSE:
        say(
            f"The hole is large for this model: each of the model's pixels stands for {result.factor:.1f} x "
            f"{result.factor:.1f} of the picture's, so what is filled in is blurred that much."
        )


def _facts(result: Inpainting) -> dict[str, Any]:
    return {
        "missing_pixels": int(result.canvas.holes.sum()),
        "effective_size": list(result.effective_size),
        "factor": round(result.factor, 3),
    }


def _read_canvas(image: Path, mask: Path | None, resize_mask: bool) -> Canvas:
    """Reads a picture and what is missing of it."""
    from latentia.data import DEEP, Canvas, further_frames, read_mask, read_picture

    picture = read_picture(image)
    found = further_frames(picture)
    if found is not None:
        raise DataError(f"{image} {found}, as an animation does: save the picture to mend by itself.")
    if DEEP in picture.info:
        say(f"{image} has {DEEP}, of which 8 are kept; 16 stay as they are in grey pictures only.")
    try:
        canvas = Canvas.from_picture(picture)
    except DataError as error:
        raise DataError(f"{image} cannot be used: {error}") from error
    if mask is None:
        return canvas
    missing = read_mask(mask, canvas.size, resize=resize_mask)
    if not missing.any():
        raise DataError(f"{mask} is black all over, so nothing is missing: paint white what is to be filled in.")
    if (canvas.missing | missing).all():
        raise DataError(f"{mask} hides all of {image} that can be seen: to make new pictures, use generate.")
    return canvas.masked(missing)


def _targets(output: Path, number: int) -> list[Path]:
    """Returns the files of mean, uncertainty, completions and a grid."""
    names = ["mean", "uncertainty", *(f"sample-{index:02}" for index in range(number)), "grid"]
    return [output / f"{name}.png" for name in names]


def _write(targets: list[Path], result: Inpainting) -> None:
    """Writes one picture after the other, since they may be large."""
    from latentia.data import write_picture

    tag = synthetic_tag("inpaint")
    mean, uncertainty, *samples, overview = targets
    write_picture(mean, result.mean(), synthetic=tag)
    write_picture(uncertainty, _as_grey(result.std()), synthetic=tag)
    tiles = [_tile(result.canvas.pixels), _tile(result.canvas.holes)]
    for index, path in enumerate(samples):
        sample = result.sample(index)
        write_picture(path, sample, synthetic=tag)
        tiles.append(_tile(sample))
    write_picture(overview, _side_by_side(tiles), synthetic=tag)


def _as_grey(std: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draws standard deviations; white is the largest that values in [0, 1] can have, one half."""
    import numpy as np

    levels = cast("NDArray[np.float32]", std.mean(-1))
    return np.round(levels.clip(0, 0.5) * 510).astype(np.uint8)


def _tile(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Draws a picture of any form for the grid, in colour and not too large; what is transparent is black."""
    import numpy as np
    from PIL import Image

    from latentia.data.pixels import on_black, plain

    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    sheet = on_black(plain(Image.fromarray(flat), 3))
    sheet.thumbnail((SHOWN, SHOWN))
    return cast("NDArray[np.uint8]", np.asarray(sheet))


def _side_by_side(tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    import numpy as np

    from latentia.data import grid

    return grid(np.stack(tiles), len(tiles) if len(tiles) <= 6 else None)
