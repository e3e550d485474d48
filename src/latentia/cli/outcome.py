"""What verbs return, and the wrapper that gives all of them the options `--json` and `--debug`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from latentia.errors import EXIT_INTERRUPTED, LatentiaError

# A second Ctrl-C while a model is trained ends Lightning's loop by an exit of its own.
STOPPED = (KeyboardInterrupt, SystemExit)
Json = Annotated[bool, typer.Option("--json", help="Print one machine-readable object on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@dataclass(frozen=True)
class Outcome:
    """What a verb did.

    Attributes:
        text: for people.
        facts: for programs; the object that `--json` prints, less "ok".
    """

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class InterruptionError(LatentiaError):
    """The person pressed Ctrl-C."""

    kind = "interrupted"
    exit_code = EXIT_INTERRUPTED


def verb(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Adds `--json` and `--debug` to a verb; `main.run` reads them, since errors of parsing need them too."""

    @functools.wraps(function)
    def command(**options: Any) -> Outcome:
        del options["as_json"], options["debug"]
        try:
            return function(**options)
        except STOPPED as error:  # before Typer makes a silent exit of it
            raise InterruptionError("Interrupted.") from error

    common = {"as_json": Json, "debug": Debug}
    signature = inspect.signature(function, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in common.items()
    ]
    vars(command)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *added])
    command.__annotations__ = {**function.__annotations__, **common}
    return command
