"""Options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a trained model.")]
DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="A folder, a .csv, .npz or .npy file, or the name of a data set.")
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder to write to.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")]
Mirror = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Take named data sets from this folder; also LATENTIA_MIRROR.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on even if more than 10 % of the files are unreadable.")]
NoMedia = Annotated[bool, typer.Option("--no-media", help="Leave your pictures out of the report.")]
LabelsFile = Annotated[
    Path | None, typer.Option("--labels", metavar="CSV", help="Labels: the column file_name, and one for each head.")
]
