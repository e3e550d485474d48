"""Pictures of a class, from the folder to the sample."""

from __future__ import annotations

import html
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from latentia.cli.main import run


@pytest.fixture(scope="module")
def conditional(pictures, tiny, tmp_path_factory):
    """A model of pictures in two class folders; read only."""
    folder = tmp_path_factory.mktemp("runs") / "parity"
    given = ("train", str(pictures), "-o", str(folder), "--preset", "conditional", "--epochs", "2", *tiny)
    assert run(list(given)) == 0
    return folder


def test_class_folders_are_the_labels(conditional):
    config = json.loads((conditional / "config.json").read_text())["config"]
    assert (config["model"]["label"], config["model"]["classes"]) == ("label", 2)
    report = (conditional / "report.html").read_text()
    assert "Each row is of one class" in report
    assert "which the model never saw" not in report


def test_generate_makes_pictures_of_a_class(cli, conditional, tmp_path):
    for label in ("even", "odd"):
        assert cli("generate", conditional, "-n", 2, "--label", label, "-o", tmp_path / label).code == 0
    even, odd = (np.asarray(Image.open(tmp_path / label / "sample-0001.png")) for label in ("even", "odd"))
    assert not np.array_equal(even, odd)
    assert cli("generate", conditional, "-n", 2, "-o", tmp_path / "any").code == 0


def test_a_class_that_the_model_does_not_know(cli, conditional, trained, tmp_path):
    result = cli("generate", conditional, "--label", "eve", "-o", tmp_path / "out", "--json")
    assert result.code == 2
    assert "did you mean 'even'? Valid: even, odd" in result.json["error"]["message"]
    assert "labels 'label', not 'word'" in cli("generate", conditional, "--word", "even", "-o", tmp_path / "out").err
    assert "train with --preset conditional" in cli("generate", trained, "--label", "3", "-o", tmp_path / "out").err
    both = cli("generate", conditional, "--label", "even", "--emotion", "odd", "-o", tmp_path / "out")
    assert "give one of" in both.err
    assert not (tmp_path / "out").exists()


def test_all_verbs_work_with_labels(cli, conditional, pictures, tmp_path):
    one, other = pictures / "even" / "digit0.png", pictures / "odd" / "digit1.png"
    assert cli("reconstruct", conditional, one, other, "-o", tmp_path / "a").code == 0
    assert cli("interpolate", conditional, one, other, "-o", tmp_path / "b").code == 0
    assert cli("traverse", conditional, "-o", tmp_path / "c").code == 0
    assert cli("embed", conditional, pictures, "-o", tmp_path / "z.npz").code == 0
    result = cli("evaluate", conditional, pictures, "-o", tmp_path / "d", "--is-samples", 5)
    assert result.code == 0
    found = json.loads((tmp_path / "d" / "metrics.json").read_text())["heads"]["label"]
    assert set(found) == {"n_examples", "accuracy", "uar", "ece", "confusion"}
    assert f"Of {found['n_examples']} examples of known label, {100 * found['accuracy']:.1f} % are" in result.out
    assert sum(map(sum, found["confusion"])) == found["n_examples"]


def test_the_head_is_chosen(cli, pictures, tiny, tmp_path):
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))
    table = tmp_path / "labels.csv"
    rows = [f"{name},{'ab'[number % 2]},{'xyz'[number % 3]}" for number, name in enumerate(names[:30])]
    table.write_text("\n".join(["file_name,word,speaker", *rows, *(f"{name},," for name in names[30:])]))
    given = ("--preset", "conditional", "--labels", table, "--epochs", 1, *tiny)
    assert cli("train", pictures, "-o", tmp_path / "run", *given, "--set", "model.label=speaker").code == 0
    assert cli("generate", tmp_path / "run", "--speaker", "z", "-n", 1, "-o", tmp_path / "z").code == 0
    wrong = cli("train", pictures, "-o", tmp_path / "other", *given, "--set", "model.label=speeker")
    assert wrong.code == 2
    assert "did you mean 'speaker'" in wrong.err


def test_labels_are_needed(cli, pictures, tiny, tmp_path):
    flat = tmp_path / "flat"
    shutil.copytree(pictures / "even", flat)
    result = cli("train", flat, "-o", tmp_path / "run", "--preset", "conditional", *tiny)
    assert result.code == 2
    assert "needs labels" in result.err
    result = cli("train", pictures, "-o", tmp_path / "run", "--set", "model.label=label", *tiny)
    assert result.code == 2
    assert "preset 'conditional'" in result.err


def test_a_run_whose_classes_have_no_names_is_refused(cli, conditional, tmp_path):
    run_folder = tmp_path / "run"
    shutil.copytree(conditional, run_folder)
    content = json.loads((run_folder / "config.json").read_text())
    content["label_names"] = {"label": ["even"]}
    (run_folder / "config.json").write_text(json.dumps(content))
    result = cli("generate", run_folder, "--label", "even", "-o", tmp_path / "out")
    assert result.code == 2
    assert "1 classes, but 2" in result.err


def test_other_labels_are_noticed_when_a_training_goes_on(cli, pictures, tiny, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    names = []
    for index, path in enumerate(sorted(pictures.rglob("*.png"))):
        names.append(f"{index}.png")
        shutil.copy(path, flat / names[-1])
    table = tmp_path / "labels.csv"

    def write(shift):
        rows = (f"{name},{'ab'[(index + shift) % 2]}" for index, name in enumerate(names))
        table.write_text("file_name,label\n" + "\n".join(rows) + "\n")

    write(0)
    given = ("train", flat, "-o", tmp_path / "run", "--labels", table)
    assert cli(*given, "--preset", "conditional", "--epochs", 1, *tiny).code == 0
    assert f"--labels {table}" in html.unescape((tmp_path / "run" / "report.html").read_text())
    write(1)
    result = cli(*given, "--resume", "--epochs", 2)
    assert result.code == 2
    assert "The labels are not those" in result.err


def test_so_many_labels_of_each_class_are_kept(cli, conditional, pictures, tiny, tmp_path):
    few = ("--labels", "3-per-class")
    given = ("train", pictures, "-o", tmp_path / "run", "--preset", "conditional")
    assert cli(*given, *few, "--epochs", 1, *tiny).code == 0
    described = json.loads((tmp_path / "run" / "config.json").read_text())
    assert described["config"]["model"]["classes"] == 2
    whole = json.loads((conditional / "config.json").read_text())
    assert described["data"]["labels"] != whole["data"]["labels"]
    assert "--labels 3-per-class" in html.unescape((tmp_path / "run" / "report.html").read_text())
    again = ("train", pictures, "-o", tmp_path / "run", "--resume", "--epochs", 2)
    result = cli(*again)
    assert result.code == 2
    assert "The labels are not those" in result.err
    assert cli(*again, *few).code == 0
    result = cli("train", pictures, "-o", tmp_path / "none", "--labels", "0-per-class")
    assert result.code == 2
    assert "at least 1" in result.err
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        shutil.copy(path, flat / f"{number}.png")
    result = cli("train", flat, "-o", tmp_path / "none", *few)
    assert result.code == 2
    assert "no labels" in result.err
