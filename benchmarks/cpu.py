"""What this CPU can do, and the settings under which our training runs on it."""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def native_bf16() -> bool:
    """Returns whether the CPU multiplies bf16 natively (elsewhere it is emulated, about 80 times slower)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast() -> Any:
    """Returns the context for forward passes: bf16 where native, else nothing."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if native_bf16() else nullcontext()


def keep_freed_memory() -> bool:
    """Tells glibc to keep freed memory instead of handing it back and faulting it in again each step."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return False
    return all(
        libc.mallopt(option, value)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26))
    )


@contextmanager
def all_cores() -> Iterator[None]:
    """Uses every core that this process may use, and flushes denormals."""
    before = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
