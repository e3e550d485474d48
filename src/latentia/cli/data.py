"""Verbs about data: list, fetch, check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from latentia.cli.console import count, explain, printable, reading
from latentia.cli.options import Mirror
from latentia.cli.outcome import Outcome

if TYPE_CHECKING:
    from latentia.data import CheckReport, FileKind, SpeechReport

SHOWN = 20
CHANNELS = {1: "mono", 2: "stereo"}


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
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder of pictures or recordings, or a CSV manifest.")
    ],
    kind: Annotated[
        str | None, typer.Option(metavar="image|speech", help="Which files are meant, if there are both kinds.")
    ] = None,
) -> Outcome:
    """Say what is in a folder, and what is wrong with it."""
    from latentia.data import CheckReport, check_folder

    with reading(str(folder)) as progress:
        report = check_folder(folder, progress, cast("FileKind | None", kind))
    lines = _pictures(report) if isinstance(report, CheckReport) else _recordings(report)
    for head, classes in report.classes.items():
        shown = ", ".join(f"{name or '(unknown)'} {number}" for name, number in list(classes.items())[:SHOWN])
        lines.append(printable(f"  {head:<7} {shown}{' ...' if len(classes) > SHOWN else ''}"))
    if report.problems:
        lines.append(f"{count(len(report.problems), 'problem')}:")
        lines += [f"  {explain(problem)}" for problem in report.problems[:SHOWN]]
    if len(report.problems) > SHOWN:
        lines.append(f"  ... and {len(report.problems) - SHOWN} more (all with --json)")
    lines += [f"- {suggestion}" for suggestion in report.suggestions]
    return Outcome("\n".join(lines), report.as_dict())


def _pictures(report: CheckReport) -> list[str]:
    low, middle, high = (f"{width} x {height}" for height, width in (report.minimum, report.median, report.maximum))
    return [
        f"{report.path}: {count(report.n_files, 'picture file')}, {report.n_usable} usable.",
        f"  sizes   {low} to {high} pixels, median {middle}",
        f"  modes   {_listed(report.modes)}; {report.n_grey} grey, {report.n_transparent} with transparency",
    ]


def _recordings(report: SpeechReport) -> list[str]:
    lines = [f"{report.path}: {count(report.n_files, 'recording')}, {report.n_usable} usable."]
    found, levels = report.lengths, report.levels
    if found is not None and levels is not None:
        channels = _listed({CHANNELS.get(n, f"of {n} channels"): number for n, number in found.channels.items()})
        lines += [
            f"  length  {found.seconds / 60:.1f} minutes in all; {found.shortest:.2f} to {found.longest:.2f} s, "
            f"median {found.median:.2f} s",
            f"  rates   {_listed({f'{rate} Hz': number for rate, number in found.sample_rates.items()})}; {channels}",
            f"  formats {_listed(report.formats)}",
            f"  levels  {levels[0]:.0f} to {levels[2]:.0f} dB of full scale in active speech, median {levels[1]:.0f}",
        ]
    if report.kinds:
        lines.append(f"  noticed {_listed(report.kinds)}")
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())
