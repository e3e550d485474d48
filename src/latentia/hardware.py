"""What this machine can do, and the choices that follow from it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch

# Names and numbers from glibc's malloc.h; the values that suit training, and those of a process that has freed tensors.
GLIBC_ALLOCATOR = {
    "M_ARENA_MAX": (-8, 1, 64),
    "M_MMAP_MAX": (-4, 0, 65536),
    "M_MMAP_THRESHOLD": (-3, 32 * 2**20, 32 * 2**20),
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1, 64 * 2**20),
    "M_TOP_PAD": (-2, 64 * 2**20, 128 * 2**10),
}

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Hardware:
    """What matters for training.

    Attributes:
        cpu: name of the processor.
        cores: cores that this process may use.
        memory_bytes: memory of the machine.
        bfloat16: whether bfloat16 is fast here; a CPU without instructions for it is slower than with float32.
        amx: whether the CPU has matrix tiles.
        gpu: name of the GPU, None without one.
    """

    cpu: str
    cores: int
    memory_bytes: int
    bfloat16: bool
    amx: bool
    gpu: str | None

    @property
    def accelerator(self) -> str:
        """Name of Lightning's accelerator."""
        return "gpu" if self.gpu else "cpu"

    @property
    def device(self) -> str:
        """Name of the same device for tensors."""
        return "cuda" if self.gpu else "cpu"


def detect() -> Hardware:
    """Looks at the machine.

    Example:
        >>> detect().cores >= 1
        True
    """
    name, flags = _cpu()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    amx = "amx_bf16" in flags
    # Without tiles AVX-512's bfloat16 is slower than float32 (156 against 300 GF/s in convolutions); "bf16" is ARM's.
    native = torch.cuda.is_bf16_supported() if gpu else amx or "bf16" in flags
    return Hardware(name, available_cores(), psutil.virtual_memory().total, native, amx, gpu)


def available_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_precision(wanted: Literal["auto", "float32", "bfloat16"], hardware: Hardware) -> Precision:
    """Chooses the precision of matrix products: bfloat16 only where the hardware does it natively."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if hardware.bfloat16 else "float32"


@contextlib.contextmanager
def tuned_cpu() -> Generator[None]:
    """Makes PyTorch fast on CPUs while the block runs; best entered before the first parallel operation.

    Vanishing gradients let Adam's moments decay to denormal numbers, with which CPUs are many times slower, so those
    are flushed to zero. Afterwards the caller's arithmetic is as it was, and memory goes back to the system.
    """
    before = _flushes_denormals()
    torch.set_flush_denormal(True)
    _keep_freed_memory(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
        _keep_freed_memory(False)


def _flushes_denormals() -> bool:
    return bool((torch.full((1,), 1e-38) * 1e-3 == 0).item())


def _keep_freed_memory(keep: bool) -> None:
    """Has glibc keep the memory that tensors give back, instead of returning it to the system after each step; or not.

    Taking it anew means clearing every page again; training is about 15 % faster without (`benchmarks/speed.py`), and
    one arena serves all threads, since the backward pass frees what the forward pass took. Other C libraries have
    no such knob and are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for parameter, kept, usual in GLIBC_ALLOCATOR.values():
        libc.mallopt(parameter, kept if keep else usual)
    if not keep:
        libc.malloc_trim(0)


def _cpu() -> tuple[str, set[str]]:
    """Returns the processor's name and its instruction flags, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine(), set()
    name, flags = platform.machine(), set[str]()
    for line in info.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        if key.strip() in ("flags", "Features"):
            flags |= set(value.split())
    return name, flags
