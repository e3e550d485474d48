"""Checkpoints without pickle: a nested state as tensors in safetensors, and the rest as JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from latentia.errors import RunError
from latentia.files import make_folder
from latentia.tensors import read_tensors, write_tensors

_TENSOR, _ITEMS, _TUPLE = "__tensor__", "__items__", "__tuple__"


def flatten(content: Any) -> tuple[Any, dict[str, Tensor]]:
    """Splits a nested structure into JSON and tensors.

    Example:
        >>> import torch
        >>> flatten({"a": torch.zeros(2), 3: (1, None)})[0]
        {'__items__': [['a', {'__tensor__': '0'}], [3, {'__tuple__': [1, None]}]]}
    """
    tensors: dict[str, Tensor] = {}

    def encode(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = str(len(tensors))
            tensors[name] = value.detach().cpu().contiguous().clone()
            return {_TENSOR: name}
        if isinstance(value, dict):
            pairs: list[list[Any]] = [[key, encode(item)] for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType]
            return {_ITEMS: pairs}
        if isinstance(value, tuple):
            return {_TUPLE: [encode(item) for item in value]}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list):
            return [encode(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"A checkpoint cannot hold {type(value).__name__}.")

    return encode(content), tensors


def unflatten(skeleton: Any, tensors: dict[str, Tensor]) -> Any:
    """Puts together what `flatten` split."""
    if isinstance(skeleton, list):
        return [unflatten(item, tensors) for item in skeleton]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(skeleton, dict):
        return skeleton
    tag: dict[str, Any] = skeleton  # pyright: ignore[reportUnknownVariableType]
    if _TENSOR in tag:
        return tensors[tag[_TENSOR]]
    if _TUPLE in tag:
        return tuple(unflatten(item, tensors) for item in tag[_TUPLE])
    return {key: unflatten(item, tensors) for key, item in tag[_ITEMS]}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a nested structure of tensors and plain values, atomically.

    Raises:
        FileError: the place cannot be written.
    """
    make_folder(path.parent)
    skeleton, tensors = flatten(state)
    write_tensors(path, tensors, {"state": json.dumps(skeleton)})


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote.

    Raises:
        RunError: the file is missing, damaged, or of another kind.
    """
    tensors, metadata = read_tensors(path)
    try:
        state = unflatten(json.loads(metadata["state"]), tensors)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} is not a checkpoint of Latentia, and was not read.") from error
    if not isinstance(state, dict):
        raise RunError(f"{path} is not a checkpoint of Latentia, and was not read.")
    return state  # pyright: ignore[reportUnknownVariableType]
