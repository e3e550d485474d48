from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from latentia import hardware
from latentia.hardware import Hardware, choose_precision, detect, tuned_cpu


def machine(bfloat16: bool) -> Hardware:
    return Hardware("cpu", 2, 2**33, bfloat16=bfloat16, amx=False, gpu=None)


def test_the_machine_is_described() -> None:
    found = detect()
    assert found.cpu
    assert found.cores >= 1
    assert found.memory_bytes > 2**28
    assert found.bfloat16 or not found.amx  # tiles for bfloat16 mean bfloat16
    assert found.accelerator == ("gpu" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("wanted", "native", "chosen"),
    [
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
        ("float32", True, "float32"),
        ("bfloat16", False, "bfloat16"),
    ],
)
def test_precision_follows_the_hardware_unless_told(wanted: str, native: bool, chosen: str) -> None:
    assert choose_precision(wanted, machine(native)) == chosen  # type: ignore[arg-type]


def test_denormal_numbers_are_flushed_while_training_only() -> None:
    def product() -> float:
        return (torch.full((1,), 1e-38) * 1e-3).item()

    assert product() > 0
    with tuned_cpu():
        assert product() == 0
        with tuned_cpu():
            pass
        assert product() == 0
    assert product() > 0


@pytest.mark.skipif(detect().gpu is not None, reason="a GPU decides then")
@pytest.mark.parametrize(
    ("flags", "native", "amx"),
    [({"avx512_bf16", "amx_bf16"}, True, True), ({"bf16", "asimd"}, True, False), ({"avx512_bf16"}, False, False)],
)
def test_bfloat16_is_native_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], native: bool, amx: bool
) -> None:
    monkeypatch.setattr(hardware, "_cpu", lambda: ("some processor", flags))
    found = detect()
    assert (found.bfloat16, found.amx) == (native, amx)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such knob")
def test_memory_goes_back_to_the_system_after_training() -> None:
    """In a process of its own, since what is freed depends on all that came before."""
    program = """
import psutil, torch
from latentia.hardware import tuned_cpu

def used():
    return psutil.Process().memory_info().rss / 2**20

with tuned_cpu():
    torch.ones(8)
    before = used()
    parts = [torch.ones(2**18) for _ in range(200)]
    del parts
    kept = used() - before
print(kept, used() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    kept, left = map(float, done.stdout.split())
    assert kept > 150  # MiB
    assert left < 50
