"""What is said on stderr while a verb works; stdout is for its result."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentia.data import Problem, Progress


def say(text: str) -> None:
    """Says something on stderr; on terminals lines are broken between words."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def reading(what: str) -> Generator[Progress]:
    """Shows on terminals how many files were read, and goes away when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(32), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        if not bar.console.is_terminal:
            bar.disable = True
        task = bar.add_task(f"Reading {what}", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def count(number: int, noun: str) -> str:
    """Says how many.

    Example:
        >>> count(1, "picture"), count(1234, "picture")
        ('1 picture', '1234 pictures')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def explain(problem: Problem) -> str:
    """Says what is wrong with a file, naming it once."""
    named = problem.file_name in problem.message
    return problem.message if named or not problem.file_name else f"{problem.file_name}: {problem.message}"


def same_file(first: Path, second: Path) -> bool:
    """Tells whether two paths lead to the same place."""
    return first.resolve() == second.resolve()
