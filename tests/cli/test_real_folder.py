"""The whole line on real pictures: JPEGs of mixed sizes and modes, written out of the mirror's sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = (
    *("--set", "model.latent_dim=8"),
    *("--set", "model.encoder={name: residual, widths: [8, 16], blocks: [1, 1]}"),
    *("--set", "model.decoder={widths: [8, 16], blocks: [1, 1]}"),
)


@pytest.fixture
def photos(mirror: Path, tmp_path: Path) -> Path:
    """Faces in grey and objects in colour, at sizes from 32 to 112 pixels, in two class folders."""
    faces = np.load(mirror / "images/orl-faces/orl-faces.npz")["images"][::8]
    things = np.load(mirror / "images/cifar10-part/cifar10-part.npz")["x_test"][:50]
    for kind, pictures in (("face", faces), ("thing", things)):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number, pixels in enumerate(pictures):
            picture = Image.fromarray(pixels)
            scale = 1 + number % 3 / 4
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            mode = ("L", "RGB", "CMYK")[number % 3]
            picture.convert(mode).save(tmp_path / "photos" / kind / f"{number}.jpg", quality=90)
    return tmp_path / "photos"


def test_from_a_folder_of_jpegs_to_pictures_and_figures(cli, photos: Path, tmp_path: Path) -> None:
    (photos / "face" / "broken.jpg").write_bytes((photos / "face" / "0.jpg").read_bytes()[:300])
    run, out = tmp_path / "run", tmp_path / "out"
    trained = cli("train", photos, "-o", run, "--epochs", "2", "--json", *SMALL)
    assert trained.code == 0, trained.err
    assert "broken.jpg" in trained.err
    recorded = json.loads((run / "config.json").read_text())
    assert recorded["preprocessing"] | {"height": 64, "width": 64, "channels": 3} == recorded["preprocessing"]
    assert recorded["config"]["preset"] == "image-64"
    assert recorded["label_names"] == {"label": ["face", "thing"]}
    assert recorded["data"]["problems"]["unreadable"] == 1
    assert 0 < trained.json["metrics"]["bits_per_dim"] < 12

    assert cli("generate", run, "-n", "3", "-o", out / "samples").code == 0
    with Image.open(out / "samples" / "sample-0000.png") as sample:
        assert sample.size == (64, 64)
        assert "synthetic" in sample.text
    face, thing = photos / "face" / "1.jpg", photos / "thing" / "2.jpg"
    assert cli("reconstruct", run, face, thing, "-o", out / "pairs").code == 0
    assert {path.name for path in (out / "pairs").iterdir()} == {"1.png", "2.png", "grid.png"}
    assert cli("interpolate", run, face, thing, "-o", out / "way").code == 0
    assert cli("traverse", run, "-o", out / "latents").code == 0
    assert cli("embed", run, photos, "-o", out / "z.npz").code == 0
    assert np.load(out / "z.npz")["mean"].shape == (100, 8)
    assert cli("evaluate", run, photos, "-o", out / "evaluation").code == 0
    assert (out / "evaluation" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "likelihood", ["discretised-logistic-mixture", "{name: discretised-gaussian, scale: closed-form}"]
)
def test_other_likelihoods_of_colour_train_too(cli, photos: Path, tmp_path: Path, likelihood: str) -> None:
    chosen = ("--preset", "image", "--set", f"model.likelihood={likelihood}", "--set", "data.size=32")
    trained = cli("train", photos, "-o", tmp_path / "run", "--epochs", "4", "--json", *chosen, *SMALL)
    assert trained.code == 0, trained.err
    log = [json.loads(line) for line in (tmp_path / "run" / "train_log.jsonl").read_text().splitlines()]
    assert log[-1]["validation_elbo"] > log[0]["validation_elbo"]
    assert 0 < trained.json["metrics"]["bits_per_dim"] < 9
