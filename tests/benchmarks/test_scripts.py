"""What the scripts bring themselves: pictures, memory figures, machine facts."""

import subprocess
import sys

import torch

from benchmarks import cpu, memory, mnist
from benchmarks.ours import _MemoryWatch


def test_pictures_are_the_same_for_any_count(tmp_path):
    memory.make_pictures(tmp_path / "few", 2, seed=0)
    memory.make_pictures(tmp_path / "more", 3, seed=0)
    names = sorted(path.name for path in (tmp_path / "more").iterdir())
    assert names == ["00000.jpg", "00001.jpg", "00002.jpg"]
    contents = [(tmp_path / folder / "00001.jpg").read_bytes() for folder in ("few", "more")]
    assert contents[0] == contents[1]
    assert contents[0] != (tmp_path / "more" / "00002.jpg").read_bytes()


def test_peak_memory_sees_what_a_process_held():
    held = 64 * 1024**2
    code = f"import time; x = bytearray(b'x') * {held}; time.sleep(0.5); del x"
    process = subprocess.Popen([sys.executable, "-c", code])
    watch = _MemoryWatch(process.pid)
    watch.start()
    assert process.wait() == 0
    watch.stop()
    assert held < watch.peak < 2 * held


def test_binarisation_follows_the_grey_level():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(2000, 1)
    drawn = mnist.binarised(pixels, torch.Generator().manual_seed(0))
    assert drawn[:, 0].sum() == 0
    assert abs(drawn[:, 1].mean().item() - 0.2) < 0.03
    assert drawn[:, 2].min() == 1


def test_matrix_rate_is_a_rate():
    assert 1e8 < cpu.matrix_rate(side=256, repetitions=2) < 1e15
