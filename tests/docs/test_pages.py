"""Every Python and bash block of the pages is executed, page by page; `sh` marks what sets up a whole machine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LENGTHS = {"--epochs", "--resume", "--stage"}  # options by which a training is as long as its page wants it


def make_photos(folder: Path) -> None:
    """A few small pictures of mixed sizes and modes."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index, (mode, size) in enumerate([("RGB", (40, 30)), ("L", (32, 32)), ("RGB", (64, 48))] * 4):
        pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"photo-{index}.jpg")


def make_recordings(folder: Path) -> None:
    """A few short recordings."""
    folder.mkdir()
    for number in range(12):
        time = np.arange(4000 + 200 * number) / 8000
        soundfile.write(folder / f"voice-{number}.wav", 0.1 * np.sin(2 * np.pi * (150 + 10 * number) * time), 8000)


def make_files(folder: Path) -> None:
    """The pictures, masks and recordings that pages name."""
    generator = np.random.default_rng(0)
    for name in ("me", "a", "b", "face", "street", "noisy"):
        pixels = generator.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.{'png' if name == 'noisy' else 'jpg'}")
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 20:40] = 255
    for name in ("hole", "person"):
        Image.fromarray(mask).save(folder / f"{name}.png")
    soundfile.write(folder / "a.wav", 0.1 * np.sin(np.arange(6000)), 8000)


def arguments(words: list[str]) -> list[str]:
    """What a line of shell gives to the command; where a page leaves the length of a training open, it is an epoch."""
    short = words[1] == "train" and not LENGTHS & set(words)
    return [*words[1:], *(("--epochs", "1") if short else ())]


def page_script(page: Path) -> str:
    """One program of all blocks of a page; shell commands run through the package of this interpreter."""
    program = ["from latentia.cli.main import run"]
    for language, body in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            program.append(body)
            continue
        for line in body.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "latentia":
                program.append(f"assert run({arguments(words)!r}) == 0")
    return "\n".join(program)


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text("utf-8"))], ids=lambda page: page.name)
def test_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    make_photos(tmp_path / "my_photos")
    make_recordings(tmp_path / "my_recordings")
    make_files(tmp_path)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LATENTIA_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", page_script(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=230,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
