from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest
from PIL import Image

from latentia.report.demo import run_demo
from latentia.runs import read_model


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    """A demonstration where eSpeak NG is missing: its folder, and what was said."""
    version = importlib.metadata.version

    def without_espeak(name):
        if name == "espeakng-loader":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    folder, said = tmp_path_factory.mktemp("demo") / "demo", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", without_espeak)
        run_demo(folder, epochs=1, classes_epochs=1, filling_epochs=1, prior_steps=2, announce=said.append)
    return folder, said


def test_without_espeak_the_page_says_what_is_missing(demonstrated):
    folder, said = demonstrated
    assert 'pip install "latentia[espeak]"' in said[-1] + said[-2]
    assert "latentia[espeak]" in (folder / "report.html").read_text("utf-8")
    assert not (folder / "spoken-digits").exists()


def test_repeated_with_espeak_the_demonstration_writes_everything(demonstrated):
    folder, _ = demonstrated
    said = []
    lengths = {f"{part}epochs": 1 for part in ("", "classes_", "filling_", "speech_")}
    report = run_demo(folder, **lengths, prior_steps=2, announce=said.append)
    assert report == folder / "report.html"
    assert len(said) == 11
    text = report.read_text("utf-8")
    for anchor in (
        "ways",
        "completions",
        "restored",
        "second-stage",
        "classes",
        "filling-completions",
        "filling-restored",
        "speech",
        "speech-recordings",
        "speech-samples",
        "speech-voice",
        "speech-map",
    ):
        assert f'id="{anchor}"' in text
    assert text.count("<audio") > 20
    names = {path.name for path in report.parent.iterdir()}
    assert names == {
        *(
            "report.html",
            "digits",
            "digits-classes",
            "digits-filling",
            "samples",
            "latents.npz",
            "spoken-digits",
            "sounds",
        ),
        *("completions.png", "restored.png", "reconstruction.png", "interpolation.png", "traversal.png"),
    }
    samples = sorted(path.name for path in (report.parent / "samples").iterdir())
    assert samples == ["grid.png", *(f"sample-{number:04}.png" for number in range(16))]
    assert "generate" in Image.open(report.parent / "samples" / "sample-0000.png").text["synthetic"]
    with np.load(report.parent / "latents.npz") as latents:
        assert latents["mean"].shape == latents["std"].shape == (359, 16)
        assert len(latents["file_name"]) == 359
        assert set(latents["label"]) == set("0123456789")
    assert read_model(report.parent / "digits").data.name == "digits"
    assert read_model(report.parent / "digits-filling").config.model.kind == "masked"
    assert read_model(report.parent / "digits-classes").config.model.classes == 10
    assert read_model(report.parent / "spoken-digits").data.name == "spoken-digits"
    sounds = sorted(path.name for path in (report.parent / "sounds").iterdir())
    assert sounds == ["interpolation.wav", "reconstruction.wav", "samples.wav", "traversal.wav"]
