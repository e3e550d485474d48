"""Speaking words with eSpeak NG, an optional extra that runs in a process of its own and is never imported here."""

from __future__ import annotations

import importlib.metadata
import json
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentia.errors import MissingExtraError

PACKAGE = "espeakng-loader"
WORKER = Path(__file__).with_name("espeak_worker.py")
REPAIR = f"pip install --force-reinstall {PACKAGE}"


@dataclass(frozen=True)
class Utterance:
    """What eSpeak NG is asked to say, and how.

    Attributes:
        text: the words; the mark at their end sets the melody.
        voice: a language or accent and a variant of the voice, like "en-us+f2".
        rate: words per minute, 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.
        range: how far the pitch moves, 0 to 99; 50 is the voice's own.
        volume: 0 to 200; 100 is the usual one.
    """

    text: str
    voice: str
    rate: int = 175
    pitch: int = 50
    range: int = 50
    volume: int = 100


def espeak_version() -> str:
    """Returns the version of the package that brings eSpeak NG.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            'Words are spoken by eSpeak NG, which is not installed: pip install "latentia[espeak]".'
        ) from error


def speak(
    utterances: Sequence[Utterance], *, worker: Path | None = None, seconds: float = 300.0
) -> tuple[list[NDArray[np.int16]], int]:
    """Speaks utterances; the same ones in the same order give the same samples.

    Args:
        utterances: what to say.
        worker: the script that speaks; ours if None.
        seconds: how long it may take.

    Returns:
        The samples of each utterance, and their rate.

    Raises:
        MissingExtraError: eSpeak NG is not installed, or does not work.
    """
    espeak_version()
    orders = json.dumps([asdict(utterance) for utterance in utterances]).encode()
    try:
        # -P: the folder of the script holds modules of ours, which must not stand in for others.
        command = [sys.executable, "-P", str(worker or WORKER)]
        done = subprocess.run(command, input=orders, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise MissingExtraError(
            f"eSpeak NG did not finish within {seconds:g} seconds: try again, or reinstall it with {REPAIR}."
        ) from error
    except OSError as error:
        raise MissingExtraError(f"Cannot start {sys.executable} for eSpeak NG: {error.strerror or error}.") from error
    recordings = _parse(done.stdout, len(utterances)) if done.returncode == 0 else None
    if recordings is None:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1][:200] if lines else f"it ended with code {done.returncode}"
        raise MissingExtraError(f"eSpeak NG does not work here ({reason}): reinstall it with {REPAIR}.")
    return recordings


def _parse(content: bytes, expected: int) -> tuple[list[NDArray[np.int16]], int] | None:
    """Reads what the worker wrote; None if it is not whole."""
    recordings: list[NDArray[np.int16]] = []
    try:
        sample_rate, count = struct.unpack_from("<II", content)
        start = 8
        for _ in range(count):
            (size,) = struct.unpack_from("<I", content, start)
            samples = np.frombuffer(content, "<i2", count=size // 2, offset=start + 4)
            recordings.append(samples.astype(np.int16))
            start += 4 + size
    except (struct.error, ValueError):
        return None
    return (recordings, sample_rate) if count == expected and start == len(content) else None
