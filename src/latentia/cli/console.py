"""What is said on stderr while a verb works; stdout is for its result."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from latentia.data import Problem, Progress


def say(text: str) -> None:
    """Says one or two sentences on stderr; on terminals lines are broken between words."""
    text = printable(text)
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    complain(text)


def complain(text: str) -> None:
    """Writes a line to stderr; where nobody reads it, the work goes on in silence."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Sends what is written to a stream nowhere, what is still buffered included, so that it does not fail at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def printable(text: str, keep: str = "") -> str:
    r"""Escapes what would not show or would steer the terminal: control characters, bytes that are not UTF-8.

    Example:
        >>> printable("new\nline.png"), printable("a\nb", keep="\n")
        ('new\\nline.png', 'a\nb')
    """
    return "".join(c if c in keep or unicodedata.category(c) not in ("Cc", "Cs") else ascii(c)[1:-1] for c in text)


@contextmanager
def reading(what: str) -> Generator[Progress]:
    """Shows on terminals how many files were read, and goes away when it is done."""
    with counting(f"Reading {what}") as progress:
        yield progress


@contextmanager
def counting(task: str) -> Generator[Progress]:
    """Shows on terminals how far a task has come, and goes away when it is done."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(32), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        if not bar.console.is_terminal:
            bar.disable = True
        number = bar.add_task(escape(printable(task)), total=None, visible=False)
        yield lambda done, total: bar.update(number, completed=done, total=total, visible=True)


def count(number: int, noun: str) -> str:
    """Says how many.

    Example:
        >>> count(1, "picture"), count(1234, "picture")
        ('1 picture', '1234 pictures')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def tell_problems(problems: Sequence[Problem], more: str = "") -> None:
    """Says in a sentence how many files had which problems, and what the first one is.

    Args:
        problems: of a data set.
        more: where the others can be read.
    """
    if problems:
        kinds = Counter(problem.kind for problem in problems)
        listed = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        say(f"Problems with files ({listed}){more}; the first: {explain(problems[0]).rstrip('.')}.")


def explain(problem: Problem) -> str:
    """Says what is wrong with a file in a line, naming it once."""
    named = problem.file_name in problem.message
    return printable(problem.message if named else f"{problem.file_name}: {problem.message}")
