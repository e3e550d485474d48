"""The verb that writes latents: embed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentia.cli.console import count, reading
from latentia.cli.options import DataArgument, LabelsFile, Mirror, RunArgument, SkipBad
from latentia.cli.outcome import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from latentia.data import Dataset

ARRAYS = ("mean", "std", "file_name", "split")


def embed(
    run: RunArgument,
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.npz", help="File to write.")],
    labels: LabelsFile = None,
    mirror: Mirror = None,
    skip_bad: SkipBad = False,
) -> Outcome:
    """Write posterior means and standard deviations, with file names and labels."""
    from latentia.data import open_source
    from latentia.files import make_folder, replacing, require_no_folder
    from latentia.runs import read_model

    require_no_folder(output)
    trained = read_model(run)
    source = open_source(data, labels=labels, mirror=mirror)
    import numpy as np

    from latentia.tasks import encode

    parts: list[dict[str, NDArray[Any]]] = []
    for split in source.splits:
        with reading(source.name) as progress:
            dataset = source.load(trained.preprocessing, split, skip_bad=skip_bad, progress=progress)
        encoding = encode(trained, dataset)
        part = {"mean": encoding.mean, "std": encoding.std, **_columns(dataset)}
        if len(source.splits) > 1:
            part["split"] = np.array([split] * len(dataset))
        parts.append(part)
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    make_folder(output.parent)
    with replacing(output) as temporary:
        _write_arrays(temporary, arrays)
    n = len(arrays["mean"])
    text = f"Wrote the latents of {count(n, 'example')} to {output}: arrays {', '.join(arrays)}."
    return Outcome(text, {"output": str(output), "n_examples": n, "arrays": list(arrays)})


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
