"""The entry point of the command line: the list of verbs, and what becomes of their results and errors."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import latentia
from latentia.cli import about, data, latents, make, measure, repair, train
from latentia.cli.console import complain, printable, silence
from latentia.cli.outcome import Outcome, verb
from latentia.errors import EXIT_FAULT, EXIT_INTERRUPTED, EXIT_OK, EXIT_USER, FileError, LatentiaError

# Typer keeps the class of all errors of usage under a private name; this is the public way to it.
USAGE_ERROR = cast(type[Exception], typer.BadParameter.__mro__[1])

# How PyTorch, whose errors of memory are of the class of all others, says that there is none left.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory")

app = typer.Typer(
    name="latentia",
    help="Variational autoencoders for your own images and recordings, on an ordinary machine.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
data_app = typer.Typer(help="Named data sets; what is in a folder, and what is wrong with it.")
for function in (
    *(train.train, make.generate, make.reconstruct, make.interpolate, make.traverse),
    *(repair.inpaint, repair.restore, latents.embed, measure.evaluate),
):
    app.command()(verb(function))
app.add_typer(data_app, name="data")
for name, function in (("list", data.list_sets), ("fetch", data.fetch), ("check", data.check)):
    data_app.command(name)(verb(function))
for function in (about.demo, about.doctor):
    app.command()(verb(function))


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> Outcome | None:
    """Variational autoencoders for your own images and recordings, on an ordinary machine."""
    if version:
        typer.echo(f"latentia {latentia.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit
    return None


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: without the program's name; those of the process if None.

    Returns:
        The exit code: 0 done, 2 the user's input, 1 our fault, 130 interrupted.
    """
    _open_missing_streams()
    given = sys.argv[1:] if arguments is None else arguments
    options = given[: given.index("--")] if "--" in given else given
    as_json, debug = "--json" in options, "--debug" in options
    with warnings.catch_warnings():
        if not debug:  # what libraries tell programmers is nothing to a person at the command line
            warnings.simplefilter("ignore")
        return _run(given, as_json, debug)


def _run(given: list[str], as_json: bool, debug: bool) -> int:
    """Runs the command line, and makes sentences and exit codes of errors."""
    try:
        result: Any = app(args=given, prog_name="latentia", standalone_mode=False)
        if isinstance(result, Outcome):
            _print(_json({"ok": True, **result.facts}) if as_json else printable(result.text, keep="\n"))
        return result if isinstance(result, int) else EXIT_OK
    except typer.Exit as error:
        return error.exit_code
    except USAGE_ERROR as error:
        return _fail(_usage(error), "usage", EXIT_USER, as_json, debug)
    except LatentiaError as error:
        return _fail(str(error), error.kind, error.exit_code, as_json, debug)
    except (BrokenPipeError, SystemExit):  # whoever read the help, such as `head`, has seen enough
        silence(sys.stdout)
        return EXIT_OK
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}.", "file", EXIT_USER, as_json, debug)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("Interrupted.", "interrupted", EXIT_INTERRUPTED, as_json, debug)
    except Exception as error:  # noqa: BLE001 - the last resort: a person must not see a traceback
        if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
            sentence = (
                "There is not enough memory for this: close other programs, or take on less at once (smaller pictures, "
                "a smaller -n; for training a smaller data.size or training.batch_size)."
            )
            return _fail(sentence, "memory", EXIT_USER, as_json, debug)
        reason = str(error).splitlines()[0][:200] if str(error) else ""
        sentence = (
            f"Something went wrong inside Latentia ({type(error).__name__}: {reason}). "
            "Run the same command with --debug to see where, and please report it."
        )
        return _fail(sentence, "internal", EXIT_FAULT, as_json, debug)


def _open_missing_streams() -> None:
    """Puts something in the place of a stdout or stderr that was closed, before another file takes its number."""
    streams: Any = sys
    for name in ("stdout", "stderr"):
        if getattr(streams, name) is None:
            setattr(streams, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the end


def _json(content: dict[str, Any]) -> str:
    """Returns JSON that every parser reads and every terminal shows: ASCII, and no NaN."""
    return json.dumps(content, allow_nan=False)


def _print(text: str) -> None:
    try:
        sys.stdout.write(text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)  # whoever read our output, such as `head`, has seen enough
    except OSError as error:
        silence(sys.stdout)
        raise FileError(f"The result cannot be written to stdout: {error.strerror or error}.") from error


def _usage(error: Any) -> str:
    """Says what is wrong with the options, and where to look."""
    context: Any = error.ctx
    where = context.command_path if context is not None else "latentia"
    message = " ".join(error.format_message().split())
    return f"{message}{'' if message.endswith(('.', '?')) else '.'} See: {where} --help"


def _fail(message: str, kind: str, exit_code: int, as_json: bool, debug: bool) -> int:
    if debug:
        complain(traceback.format_exc().rstrip())
    label = "\033[1;31mError:\033[0m" if sys.stderr.isatty() and "NO_COLOR" not in os.environ else "Error:"
    complain(f"{label} {printable(message)}")
    if as_json:
        with contextlib.suppress(FileError):  # what is wrong was said on stderr
            _print(_json({"ok": False, "error": {"message": message, "kind": kind}}))
    return exit_code
