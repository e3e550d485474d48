"""The verb that writes latents: embed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentia.cli.console import count, reading, tell_problems
from latentia.cli.options import DataArgument, LabelsFile, Mirror, RunArgument, SkipBad
from latentia.cli.outcome import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from latentia.data import Dataset
    from latentia.tasks import Encoding

ARRAYS = ("mean", "std", "file_name", "split", "frame_mean", "frame_count")


def embed(
    run: RunArgument,
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.npz", help="File to write.")],
    labels: LabelsFile = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Of recordings, also write the latents of each group of frames.")
    ] = False,
    mirror: Mirror = None,
    skip_bad: SkipBad = False,
) -> Outcome:
    """Write posterior means and standard deviations, with file names and labels."""
    from latentia.cli.media import require_no_input
    from latentia.data import open_for
    from latentia.errors import OptionError
    from latentia.files import expand, make_folder, replacing, require_no_folder
    from latentia.runs import read_model

    require_no_folder(output)
    trained = read_model(run)
    if frames and trained.preprocessing.kind != "speech":
        raise OptionError("Only models of speech have latents of frames: leave --frames out.")
    require_no_input([output], [path for path in (expand(data), labels) if path is not None])
    source = open_for(data, trained.preprocessing.kind, labels=labels, mirror=mirror)
    import numpy as np

    from latentia.tasks import encode

    parts: list[dict[str, NDArray[Any]]] = []
    left_out: list[str] = []
    for split in source.splits:
        with reading(source.name) as progress:
            dataset = source.load(trained.preprocessing, split, skip_bad=skip_bad, progress=progress)
        tell_problems(dataset.problems)
        left_out += [problem.file_name for problem in dataset.problems if problem.skipped]
        encoding = encode(trained, dataset)
        part = {"mean": encoding.mean, "std": encoding.std, **_columns(dataset)}
        if frames:
            part |= _frames(encoding)
        if len(source.splits) > 1:
            part["split"] = np.array([split] * len(dataset))
        parts.append(part)
    arrays = {key: _below([part[key] for part in parts]) for key in parts[0]}
    make_folder(output.parent)
    with replacing(output) as temporary:
        _write_arrays(temporary, arrays)
    n = len(arrays["mean"])
    text = f"Wrote the latents of {count(n, 'example')} to {output}: arrays {', '.join(arrays)}."
    return Outcome(text, {"output": str(output), "n_examples": n, "arrays": list(arrays), "left_out": left_out})


def _frames(encoding: Encoding) -> dict[str, NDArray[Any]]:
    """Returns posterior means of the groups of frames (N, G, D'), zero behind the end, and how many groups exist."""
    import numpy as np

    if encoding.frames is None or encoding.counts is None:
        return {"frame_mean": np.empty((0, 0, 0), np.float32), "frame_count": np.empty(0, np.int64)}
    return {"frame_mean": encoding.frames.numpy(), "frame_count": encoding.counts.numpy()}


def _below(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Puts the arrays of splits below each other; those of frames may differ in their second axis."""
    import numpy as np

    if parts[0].ndim == 3:
        longest = max(part.shape[1] for part in parts)
        parts = [np.pad(part, ((0, 0), (0, longest - part.shape[1]), (0, 0))) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Writes a `.npz` file; `numpy.savez` knows no arrays named as its own arguments, such as 'file'."""
    from numpy.lib.format import write_array

    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                write_array(file, array, allow_pickle=False)


def _columns(dataset: Dataset) -> dict[str, NDArray[Any]]:
    """Returns names and labels, "" where a label is unknown.

    The names of heads come from the data and become names of files within the archive, so all but letters, digits
    and underscores are replaced.
    """
    import numpy as np

    columns: dict[str, NDArray[Any]] = {"file_name": np.array([dataset.name(i) for i in range(len(dataset))])}
    for head, values in dataset.labels.items():
        key = re.sub(r"\W", "_", head) or "label"
        while key in columns or key in ARRAYS:
            key += "_"
        columns[key] = np.array([*dataset.label_names[head], ""])[values]
    return columns
