"""Verbs about data: list, fetch, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentia.cli.console import count, explain, printable, reading
from latentia.cli.options import Mirror
from latentia.cli.outcome import Outcome

SHOWN = 20


def list_sets() -> Outcome:
    """List the data sets that can be used by name."""
    from latentia.data import list_named

    about = list_named()
    width = max(len(name) for name in about)
    lines = [f"{name:<{width}}  {text}" for name, text in about.items()]
    return Outcome("\n".join(lines), {"sets": [{"name": name, "about": text} for name, text in about.items()]})


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.")], mirror: Mirror = None
) -> Outcome:
    """Get a named data set into the cache, and check it."""
    from latentia.data import fetch_named

    sizes = fetch_named(name, mirror)
    splits = ", ".join(f"{size} in {split}" for split, size in sizes.items())
    return Outcome(f"The data set {name} is complete: {splits}.", {"name": name, "splits": sizes})


def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of pictures, or a CSV manifest.")],
) -> Outcome:
    """Say what is in a folder, and what is wrong with it."""
    from latentia.data import check_folder

    with reading(str(folder)) as progress:
        report = check_folder(folder, progress)
    low, middle, high = (f"{width} x {height}" for height, width in (report.minimum, report.median, report.maximum))
    modes = ", ".join(f"{number} {mode}" for mode, number in report.modes.items())
    lines = [
        f"{report.path}: {count(report.n_files, 'picture file')}, {report.n_usable} usable.",
        f"  sizes   {low} to {high} pixels, median {middle}",
        f"  modes   {modes}; {report.n_grey} grey, {report.n_transparent} with transparency",
    ]
    for head, classes in report.classes.items():
        shown = ", ".join(f"{name or '(unknown)'} {number}" for name, number in list(classes.items())[:SHOWN])
        lines.append(printable(f"  {head:<7} {shown}{' ...' if len(classes) > SHOWN else ''}"))
    if report.problems:
        lines.append(f"{count(len(report.problems), 'problem')}:")
        lines += [f"  {explain(problem)}" for problem in report.problems[:SHOWN]]
    if len(report.problems) > SHOWN:
        lines.append(f"  ... and {len(report.problems) - SHOWN} more (all with --json)")
    lines += [f"- {suggestion}" for suggestion in report.suggestions]
    return Outcome("\n".join(lines), report.to_json())
