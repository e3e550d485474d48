"""Where a figure comes from: the machine, the commit, the protocol."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


def machine() -> dict[str, Any]:
    """Describes the machine, with its 1-minute load before the run."""
    import torch

    from latentia.hardware import detect

    hardware = detect()
    return {
        "cpu": hardware.cpu + (" with AMX" if hardware.amx else ""),
        "cores": hardware.cores,
        **({"gpu": hardware.gpu} if hardware.gpu else {}),
        "torch": str(torch.__version__),
        "load": round(os.getloadavg()[0], 2),
    }


def machine_name(machine: dict[str, Any]) -> str:
    """Names of a machine what rows must have in common to be compared."""
    gpu = f", {machine['gpu']}" if machine.get("gpu") else ""
    return f"{machine['cpu']}, {machine['cores']} cores{gpu}, torch {machine['torch']}"


def digest(protocol: str) -> str:
    """Returns a short name of a protocol, by which rows say how they were measured."""
    return hashlib.sha256(protocol.encode()).hexdigest()[:8]


def commit() -> str:
    """Returns the commit of the working tree, marked where it has changes beside results; empty outside of git."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{name}-dirty" if changes else name


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
