"""Tensors in safetensors files: nothing that is read can execute, and what is written is whole or not there."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from latentia.errors import RunError
from latentia.files import replacing, require_permission


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes tensors as safetensors, atomically.

    Raises:
        FileError: the place cannot be written, for example because the disk is full.
    """
    with replacing(path) as temporary:
        save_tensors(tensors, temporary, metadata)


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Writes tensors to a file that nobody reads yet.

    Raises:
        OSError: the place cannot be written.
    """
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:  # how it reports the operating system's errors
        code = re.search(r"os error (\d+)", str(error))
        number = int(code[1]) if code else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads tensors and metadata from a safetensors file.

    Raises:
        RunError: the file is missing, truncated, or of another kind.
    """
    if not path.is_file():
        raise RunError(f"{path} is missing; the run folder is incomplete.")
    require_permission(path)
    try:
        opened: Any = safe_open(path, framework="pt")
        with opened as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(
            f"{path} is damaged or not a safetensors file, and was not read; restore it from a copy or train again."
        ) from error
