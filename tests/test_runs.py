from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentia.config import Config, Part
from latentia.data import Dataset
from latentia.errors import FileError, RunError
from latentia.files import make_folder, replacing, replacing_together, write_json
from latentia.models import build_model
from latentia.runs import RunFolder, TrainedModel, read_model, write_model
from latentia.tensors import write_tensors


@pytest.fixture
def run(digits: tuple[TrainedModel, Dataset], tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    write_model(folder, digits[0])
    return folder


def edit(run: RunFolder, **changes: Any) -> None:
    content = json.loads(run.config.read_text())
    content.update(changes)
    run.config.write_text(json.dumps(content))


def test_loading_leaves_the_random_state_alone(digits: tuple[TrainedModel, Dataset], tmp_path: Path) -> None:
    """Also where the prior is a flow, parts of which are made anew while the model is only sketched."""
    trained = digits[0]
    part = trained.config.model.model_copy(update={"prior": Part(name="flow", width=4)})
    config = trained.config.model_copy(update={"model": part})
    folder = RunFolder(tmp_path / "flow")
    write_model(folder, replace(trained, model=build_model(part, trained.preprocessing.event_shape), config=config))
    state = torch.random.get_rng_state()
    read_model(folder.path)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_model_comes_back_as_it_was(run: RunFolder, digits: tuple[TrainedModel, Dataset]) -> None:
    trained, dataset = digits
    again = read_model(run.path)
    assert not any(weight.requires_grad for weight in again.model.parameters())
    batch = dataset.batch(range(5))
    assert torch.equal(again.model.posterior_of(batch).mean, trained.model.posterior_of(batch).mean)
    assert again.config == trained.config
    assert again.preprocessing == trained.preprocessing
    assert again.label_names == trained.label_names
    assert again.data == trained.data
    assert {path.name for path in run.path.iterdir()} == {"model.safetensors", "config.json"}


def test_nothing_in_a_run_folder_executes(run: RunFolder, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "owned",)

    run.weights.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(RunError, match="not a safetensors file"):
        read_model(run.path)
    torch.save({"a": Attack()}, run.weights)
    with pytest.raises(RunError, match="not a safetensors file"):
        read_model(run.path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_weights_are_refused(run: RunFolder, keep: int) -> None:
    run.weights.write_bytes(run.weights.read_bytes()[:keep])
    with pytest.raises(RunError, match="damaged"):
        read_model(run.path)


def test_weights_of_another_shape_are_refused(run: RunFolder) -> None:
    tensors = load_file(run.weights)
    first = sorted(tensors)[0]
    save_file({**tensors, first: torch.zeros(3)}, run.weights)
    with pytest.raises(RunError, match=first.replace(".", r"\.")):
        read_model(run.path)
    tensors.pop(first)
    save_file(tensors, run.weights)
    with pytest.raises(RunError, match="missing"):
        read_model(run.path)


def test_newer_formats_name_the_version_that_reads_them(run: RunFolder) -> None:
    edit(run, format_version=99, library_version="7.3")
    with pytest.raises(RunError, match=r"Latentia 7\.3"):
        read_model(run.path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": "one"},
        {"format_version": 0},
        {"preprocessing": {"kind": "image"}},
        {"preprocessing": {"kind": "nonsense"}},
        {"label_names": [1, 2]},
        {"data": {}},
        {"config": {"model": {"encoder": {"name": "os.system"}}}},
        {"config": {"model": {"latent_dim": 10**12}}},
        {"config": {"nonsense": 1}},
        {"config": "ab"},
        {"config": [["a", 1]]},
        {"format_version": True},
        {"preprocessing": {"kind": "vector", "mean": [0.0], "scale": [0.0]}},
    ],
)
def test_hostile_configurations_are_refused(run: RunFolder, changes: dict[str, Any]) -> None:
    edit(run, **changes)
    with pytest.raises(RunError):
        read_model(run.path)


@pytest.mark.parametrize("content", ["", "[1]", "{", "null", "[" * 100_000, "\udcff"])
def test_damaged_configurations_are_refused(run: RunFolder, content: str) -> None:
    run.config.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError):
        read_model(run.path)


def test_missing_parts_are_named(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        read_model(tmp_path / "nothing")
    run.weights.unlink()
    with pytest.raises(RunError, match=r"model\.safetensors is missing"):
        read_model(run.path)
    make_folder(run.checkpoints)
    run.last_checkpoint.write_bytes(b"x")
    with pytest.raises(RunError, match="--resume"):
        read_model(run.path)
    run.config.unlink()
    with pytest.raises(RunError, match=r"no config\.json"):
        read_model(run.path)


def test_two_trainings_cannot_write_to_one_folder(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with first.locked(), pytest.raises(RunError, match="Another training"):
        second.locked().__enter__()
    with second.locked():
        assert (tmp_path / "run").is_dir()  # free again


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})

    def fail(error: Exception) -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(FileError, match="disk is full"):
        fail(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(RuntimeError, match="our own"):
        fail(RuntimeError("our own"))
    assert json.loads(target.read_text()) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_file_in_the_way_of_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="a folder is needed"):
        make_folder(tmp_path / "file")


def test_the_default_configuration_is_complete() -> None:
    assert Config().model.likelihood.name == "discretised-gaussian"


@pytest.mark.parametrize("encoder", [{"name": "dense", "width": 16, "blocks": 10_000}])
def test_models_of_any_depth_are_not_built(run: RunFolder, encoder: dict[str, Any]) -> None:
    content = json.loads(run.config.read_text())
    content["config"]["model"]["encoder"] = encoder
    edit(run, config=content["config"])
    with pytest.raises(RunError, match="many more parameters"):
        read_model(run.path)


def test_weights_of_another_type_are_refused(run: RunFolder) -> None:
    tensors = load_file(run.weights)
    first = sorted(tensors)[0]
    save_file({**tensors, first: tensors[first].double()}, run.weights)
    with pytest.raises(RunError, match=r"float64, expected .*float32"):
        read_model(run.path)


def test_descriptions_that_never_end_are_not_read(run: RunFolder) -> None:
    run.config.unlink()
    run.config.symlink_to("/dev/zero")
    with pytest.raises(RunError, match=r"no config\.json"):
        read_model(run.path)
    run.config.unlink()
    with run.config.open("wb") as file:
        file.truncate(2**25)
    with pytest.raises(RunError, match="larger than"):
        read_model(run.path)


def test_an_unused_folder_is_removed_with_its_lock(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.locked():
        assert run.is_new()
    assert not run.path.exists()
    with run.locked():
        write_json(run.config, {})
    assert run.config.exists()
    assert not run.is_new()


def test_other_faults_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        write_tensors(tmp_path / "missing-28" / "a.safetensors", {"a": torch.zeros(2)}, {})


def test_written_files_are_as_private_as_the_person_wants(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_json(tmp_path / "a.json", {})
        write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2)}, {})
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_long_names_and_odd_places(tmp_path: Path) -> None:
    write_json(tmp_path / f"{'x' * 250}.json", {})
    for place in (Path(), Path("/"), tmp_path):
        with pytest.raises(FileError, match="is a folder"):
            write_json(place, {})


def test_the_name_of_a_model_is_that_of_its_folder(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.path)
    assert read_model(Path()).name == "run"


def test_weights_that_are_no_numbers_are_refused(run: RunFolder) -> None:
    tensors = load_file(run.weights)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, run.weights)
    with pytest.raises(RunError, match=f"'{name}' holds values that are no numbers"):
        read_model(run.path)


def test_what_a_killed_training_left_half_written_is_removed(run: RunFolder) -> None:
    run.checkpoints.mkdir()
    left = [run.path / ".config.0123abcd.json", run.path / ".model.0123abcd.safetensors"]
    left.append(run.checkpoints / ".last.89abcdef.safetensors")
    weights = run.weights.read_bytes()
    others = [run.path / ".notes.txt", run.path / ".model.backup12.safetensors"]
    for path in (*left, *others):
        path.touch()
    with run.locked():
        pass
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)
    assert run.weights.read_bytes() == weights


def test_a_kill_between_two_files_of_one_model_is_mended(run: RunFolder) -> None:
    """Configuration and weights are moved into place one after the other; what is in between is ended later."""
    old = run.config.read_text(), run.weights.read_bytes()
    program = """
import os, sys
from pathlib import Path
from latentia.files import replacing_together

move = Path.replace
def killed(self, target):
    if target.suffix == ".safetensors":
        os._exit(9)
    return move(self, target)
Path.replace = killed
with replacing_together(Path(sys.argv[1]), Path(sys.argv[2])) as (config, weights):
    config.write_text("new configuration")
    weights.write_text("new weights")
"""
    done = subprocess.run([sys.executable, "-c", program, str(run.config), str(run.weights)], check=False)
    assert done.returncode == 9
    assert (run.config.read_text(), run.weights.read_bytes()) == ("new configuration", old[1])
    with run.locked():
        assert (run.config.read_text(), run.weights.read_text()) == ("new configuration", "new weights")
    assert not [path for path in run.path.iterdir() if path.name.startswith(".") and path.name != ".lock"]


@pytest.mark.parametrize("fails", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_what_fails_between_two_files_of_one_model_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: BaseException
) -> None:
    paths = (tmp_path / "config.json", tmp_path / "model.safetensors")
    move, failures = Path.replace, [fails]

    def fail_once(self: Path, target: Path) -> Path:
        if target == paths[1] and failures:
            raise failures.pop()
        return move(self, target)

    monkeypatch.setattr(Path, "replace", fail_once)

    def write() -> None:
        with replacing_together(*paths) as temporaries:
            for temporary in temporaries:
                temporary.write_text("new")

    with pytest.raises((FileError, KeyboardInterrupt)):
        write()
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_folder_with_nothing_whole_in_it_is_new(tmp_path: Path) -> None:
    folder = RunFolder(make_folder(tmp_path / "run"))
    (folder.path / ".config.0123abcd.json").touch()
    assert folder.is_new()
    (folder.path / "mine.txt").touch()
    assert not folder.is_new()
