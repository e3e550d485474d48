"""The rate of this CPU's matrix products, and the precision that our training takes on it."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from latentia.hardware import choose_precision, detect


def native_bf16() -> bool:
    """Returns whether the CPU multiplies bf16 natively (elsewhere it is emulated, and slower than float32)."""
    return choose_precision("auto", detect()) == "bfloat16"


def autocast() -> Any:
    """Returns the context for forward passes: bf16 where native, else nothing."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=native_bf16())


def matrix_rate(side: int = 2048, repetitions: int = 5) -> float:
    """Returns the rate of square matrix products, operations per second; bf16 where native, else float32."""
    dtype = torch.bfloat16 if native_bf16() else torch.float32
    a, b = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    times: list[float] = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * side**3 / statistics.median(times[1:])
