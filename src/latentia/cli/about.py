"""Verbs about Latentia and the machine: demo, doctor."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentia.cli.console import say
from latentia.cli.outcome import Outcome

if TYPE_CHECKING:
    from latentia.hardware import Hardware

GIB = 2**30
AUDIO = {"soundfile": "reads and writes recordings", "espeakng_loader": "speaks the data set spoken-digits; optional"}


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder to write to.")] = Path("demo"),
) -> Outcome:
    """Train on handwritten and on spoken digits, and show all that can be done with the models."""
    from latentia.report.demo import run_demo
    from latentia.training.progress import TrainingProgress

    report = run_demo(output, announce=lambda step: say(f"{step} ..."), callbacks=[TrainingProgress()])
    return Outcome(f"Look at {report}", {"report": str(report)})


def doctor() -> Outcome:
    """Say what this machine can do, and what that means."""
    import torch

    import latentia
    from latentia.hardware import detect

    hardware = detect()
    threads = torch.get_num_threads()
    audio = {name: importlib.util.find_spec(name) is not None for name in AUDIO}  # found, and not imported
    rows = [
        ("Latentia", latentia.__version__, f"with PyTorch {torch.__version__}"),
        ("processor", hardware.cpu, f"{hardware.cores} cores for this process"),
        *_meaning(hardware, threads),
        *((name, "installed" if found else "not installed", AUDIO[name]) for name, found in audio.items()),
    ]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:<{width}}  {value}: {meaning}" for name, value, meaning in rows]
    facts = {**asdict(hardware), "torch": torch.__version__, "threads": threads, "audio": audio}
    return Outcome("\n".join(lines), facts)


def _meaning(hardware: Hardware, threads: int) -> list[tuple[str, str, str]]:
    """Says what follows from the machine, as (name, value, meaning)."""
    memory = hardware.memory_bytes / GIB
    few = threads < hardware.cores
    half = "training multiplies in bfloat16" if hardware.bfloat16 else "training stays in float32, which is faster here"
    return [
        (
            "memory",
            f"{memory:.1f} GiB",
            "enough for any preset" if memory >= 4 else "little; take a small training.batch_size",
        ),
        (
            "threads",
            str(threads),
            "fewer than cores; OMP_NUM_THREADS limits them"
            if few
            else "all cores are used; two trainings at once would wait for each other: set OMP_NUM_THREADS for each",
        ),
        ("bfloat16", "native" if hardware.bfloat16 else "not native", half),
        (
            "AMX",
            "yes" if hardware.amx else "no",
            "matrix products on tiles, several times faster" if hardware.amx else "no matrix tiles in this processor",
        ),
        (
            "GPU",
            hardware.gpu or "none",
            "training runs on it" if hardware.gpu else "training runs on the processor",
        ),
    ]
