"""A tiny model of digits, trained once by the command line itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from latentia.cli.main import run
from latentia.runs import RunFolder, write_model

TINY = (
    *("--set", "model.latent_dim=4"),
    *("--set", "model.encoder={name: dense, width: 16}"),
    *("--set", "model.decoder={name: dense, width: 16}"),
)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def cli(capfd) -> Callable[..., Result]:
    """Calls the command line in this process; no call may ever show a traceback."""

    def call(*arguments: Any) -> Result:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A finished run folder; read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert run(["train", "digits", "-o", str(folder), "--epochs", "2", *TINY]) == 0
    return folder


@pytest.fixture
def own_run(trained, tmp_path) -> Path:
    """A copy of the run folder."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="session")
def varied(digits, tmp_path_factory) -> Path:
    """A run folder of a model whose pictures depend much on the latents; read only."""
    folder = tmp_path_factory.mktemp("runs") / "varied"
    write_model(RunFolder(folder), digits[0])
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """A folder of 40 digits, in two class folders, as PNG files of another size."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    for index, image in enumerate(load_digits().images[:40]):
        place = folder / ("even" if index % 2 == 0 else "odd")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype("uint8")).resize((20, 20)).save(place / f"digit{index}.png")
    return folder


@pytest.fixture
def photo(tmp_path) -> Path:
    """A picture that is nothing but noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Options that make a model small."""
    return TINY


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Reads all files of a folder, to see whether something changed them; locks aside."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return read
