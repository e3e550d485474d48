from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

import latentia
from latentia.core import Batch, Inference, Terms
from latentia.data import Arrays, ArraySource, Dataset, open_source
from latentia.errors import OptionError, RunError, TrainingError
from latentia.objectives import Elbo
from latentia.presets import resolve
from latentia.runs import RunFolder, read_model
from latentia.tensors import write_tensors
from latentia.training.checkpoint import flatten, load_checkpoint, save_checkpoint, unflatten
from latentia.training.fit import Training, fit, prepare_training
from latentia.training.loader import TrainingLoader
from latentia.training.progress import TrainingProgress

SMALL: dict[str, Any] = {
    "model": {"latent_dim": 3, "encoder": {"name": "dense", "width": 16}, "decoder": {"name": "dense", "width": 16}},
}


def training(dataset: Dataset | None = None, **settings: Any) -> Training:
    source = open_source("digits")
    config, preprocessing = resolve(source, None, {**SMALL, "training": {"epochs": 2, "batch_size": 64, **settings}})
    return prepare_training(dataset or source.load(preprocessing), preprocessing, config, name="digits")


def test_training_improves_the_bound_and_keeps_its_record() -> None:
    result = fit(training(epochs=4))
    elbos = [line["validation_elbo"] for line in result.history]
    assert result.ending == "finished"
    assert len(elbos) == 4
    assert elbos[-1] > elbos[0] + 10
    assert all(
        line["validation_elbo"] == pytest.approx(-line["validation_distortion"] - line["validation_rate"], abs=1e-3)
        for line in result.history
    )
    assert result.trained.data.n_train + result.trained.data.n_validation == 1438


def test_bfloat16_trains_whatever_the_processor() -> None:
    result = fit(training(epochs=2, precision="bfloat16"))
    assert result.ending == "finished"
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]


def test_same_seed_same_weights_other_seed_others() -> None:
    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.flatten() for p in fit(training(epochs=1, seed=seed)).trained.model.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(training(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_limit_of_time_is_kept_and_said() -> None:
    start = time.monotonic()
    result = fit(training(epochs=100_000, max_minutes=0.05))
    assert result.ending == "time"
    assert 3.0 <= time.monotonic() - start < 15.0
    assert result.history[-1]["learning_rate"] < result.history[0]["learning_rate"]


@pytest.mark.parametrize("limit", [{"epochs": 12}, {"epochs": 100_000, "max_minutes": 0.05}])
def test_a_short_training_reaches_the_learning_rate_but_not_at_once(limit: dict[str, Any]) -> None:
    history = fit(training(**limit, batch_size=256, learning_rate=0.004, warmup_steps=100_000)).history
    steps_per_epoch = history[0]["step"]
    assert steps_per_epoch < 10
    assert history[0]["learning_rate"] <= 0.1 * steps_per_epoch * 0.004
    assert max(line["learning_rate"] for line in history) > 0.5 * 0.004


def test_early_stopping_keeps_the_best_weights() -> None:
    prepared = training(epochs=200, patience=2, learning_rate=0.05)
    result = fit(prepared)
    losses = [line["validation_loss"] for line in result.history]
    assert result.ending == "early"
    assert losses.index(min(losses)) == len(losses) - 3
    batch = prepared.dataset.batch(prepared.validation)
    inference = result.trained.model.infer(batch)
    terms = prepared.objective(inference, batch)
    assert terms.loss.mean().item() == pytest.approx(min(losses), rel=0.02)


def test_nan_stops_with_step_term_and_file_names_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    source = ArraySource("vectors", lambda split: Arrays(x), lambda: "f")
    config, preprocessing = resolve(source, None, {"training": {"epochs": 3, "batch_size": 16}})
    prepared = prepare_training(source.load(preprocessing), preprocessing, config)
    broken = prepared.dataset.x[np.arange(64)].copy()
    victim = int(prepared.train[5])
    broken[victim, 1] = np.inf
    names = tuple(f"row-{index}.wav" for index in range(64))
    prepared = replace(prepared, dataset=replace(prepared.dataset, x=broken, file_names=names))
    run = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingError, match=rf"step \d+ the \w+ is no longer a finite number, for row-{victim}.wav"):
        fit(prepared, run)
    assert load_checkpoint(run.last_checkpoint)["step"] == 0
    assert not run.weights.exists()


def test_the_term_that_is_no_number_is_named() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    source = ArraySource("vectors", lambda split: Arrays(x), lambda: "f")
    config, preprocessing = resolve(source, None, {"training": {"epochs": 1, "batch_size": 16}})
    prepared = prepare_training(source.load(preprocessing), preprocessing, config)

    class Broken(Elbo):
        def __call__(self, inference: Inference, batch: Batch, step: int | None = None) -> Terms:
            terms = super().__call__(inference, batch, step)
            return replace(terms, loss=terms.loss * torch.nan)

    with pytest.raises(TrainingError, match="At step 0 the loss is no longer a finite number"):
        fit(replace(prepared, objective=Broken()))


def test_what_has_no_run_folder_cannot_go_on() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    source = ArraySource("vectors", lambda split: Arrays(x), lambda: "f")
    config, preprocessing = resolve(source, None, {})
    with pytest.raises(RunError, match="nothing to resume from"):
        fit(prepare_training(source.load(preprocessing), preprocessing, config), resume=True)


def spoil_gradients(monkeypatch: pytest.MonkeyPatch, steps: range) -> list[bool]:
    """Makes one gradient infinite at these steps; returns a list that grows by whether weights were finite before."""
    clip, finite = torch.nn.utils.clip_grad_norm_, list[bool]()

    def spoiled(parameters: Iterable[torch.nn.Parameter], limit: float) -> torch.Tensor:
        weights = list(parameters)
        if len(finite) in steps:
            weights[0].grad = torch.full_like(weights[0], torch.inf)
        finite.append(all(bool(weight.isfinite().all()) for weight in weights))
        return clip(weights, limit)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spoiled)
    return finite


def test_a_step_without_a_finite_gradient_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    finite = spoil_gradients(monkeypatch, range(2, 4))
    result = fit(training(epochs=3))
    assert len(finite) > 4
    assert all(finite)
    assert [record.message for record in caplog.records if record.name == "latentia.training.module"] == [
        f"The gradient at step {step} is not finite; this step is left out." for step in (2, 3)
    ]
    assert all(bool(weight.isfinite().all()) for weight in result.trained.model.parameters())


def test_gradients_that_stay_infinite_stop_the_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finite = spoil_gradients(monkeypatch, range(3, 10**6))
    run = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingError, match="5 steps in a row, up to step 7, are not finite numbers"):
        fit(training(epochs=10), run)
    assert len(finite) == 8
    assert all(finite)
    weights = load_checkpoint(run.last_checkpoint)["model"]
    assert all(bool(weight.isfinite().all()) for weight in weights.values())


def test_estimate_changes_nothing_and_is_of_the_right_size() -> None:
    prepared = training(epochs=5)
    before = [p.clone() for p in prepared.model.parameters()]
    estimate = prepared.estimate()
    assert all(torch.equal(a, b) for a, b in zip(before, prepared.model.parameters(), strict=True))
    assert estimate.parameters == sum(p.numel() for p in before)
    assert estimate.minutes == pytest.approx(estimate.seconds_per_step * prepared.steps_per_epoch * 5 / 60)
    assert estimate.memory_bytes > 100 * 2**20


def test_log_has_one_line_an_epoch(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    result = fit(training(epochs=3), run)
    lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines == list(result.history)
    again = read_model(run.path)
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, result.trained.model.state_dict()[name])


def test_grey_levels_are_no_bernoulli_data() -> None:
    source = open_source("digits")
    for settings in ({"model": {"likelihood": "bernoulli"}}, {"data": {"binarize": "dynamic"}}):
        config, preprocessing = resolve(source, None, settings)
        with pytest.raises(OptionError, match="inari"):
            prepare_training(source.load(preprocessing), preprocessing, config)


def test_lightnings_callbacks_are_welcome() -> None:
    class Count(Callback):
        steps = 0

        def on_train_batch_end(self, *args: Any) -> None:
            self.steps += 1

    count, prepared = Count(), training(epochs=2)
    fit(prepared, callbacks=[count])
    assert count.steps == 2 * prepared.steps_per_epoch


def test_batches_depend_on_seed_and_position_only() -> None:
    prepared = training()
    rows = prepared.train

    def batches(position: int, seed: int = 0) -> list[list[int]]:
        return [batch.index.tolist() for batch in TrainingLoader(prepared.dataset, rows, 64, seed, lambda: position)]

    per_epoch = len(rows) // 64
    whole = batches(0)
    assert len(whole) == per_epoch
    assert batches(7) == whole[7:]
    assert batches(per_epoch) != whole
    assert batches(0, seed=1) != whole
    assert len({index for batch in whole for index in batch}) == 64 * per_epoch


def test_checkpoints_come_back_as_they_were(tmp_path: Path) -> None:
    state = {"a": torch.arange(3.0), 7: [1, None, ("x", 2.5)], "nested": {"b": {0: torch.zeros(2, 2)}}, "t": True}
    save_checkpoint(tmp_path / "c.safetensors", state)
    again = load_checkpoint(tmp_path / "c.safetensors")
    assert again[7] == [1, None, ("x", 2.5)]
    assert again["t"] is True
    assert torch.equal(again["a"], state["a"])
    assert torch.equal(again["nested"]["b"][0], torch.zeros(2, 2))
    with pytest.raises(TypeError):
        flatten({"object": object()})
    assert unflatten(*flatten([1, (2,)])) == [1, (2,)]


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\xff" * 100, b'{"a": 1}'])
def test_damaged_checkpoints_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"last\.safetensors"):
        load_checkpoint(path)


def test_the_history_of_vectors_is_in_their_own_units() -> None:
    def last(factor: float) -> dict[str, float]:
        x = np.random.default_rng(0).normal(size=(200, 3)) * factor
        source = ArraySource("vectors", lambda _split: Arrays(x), lambda: "")
        config, preprocessing = resolve(source, None, {"training": {"epochs": 2}})
        return fit(prepare_training(source.load(preprocessing), preprocessing, config)).history[-1]

    small, large = last(1.0), last(8.0)
    for name in ("train_distortion", "validation_distortion", "validation_loss"):
        assert large[name] - small[name] == pytest.approx(3 * np.log(8.0), abs=1e-2)
    assert large["train_elbo"] == pytest.approx(-large["train_distortion"] - large["train_rate"], abs=1e-3)


def test_a_checkpoint_of_endless_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write_tensors(path, {"a": torch.zeros(1)}, {"state": "[" * 100_000 + "]" * 100_000})
    with pytest.raises(RunError, match="not a checkpoint"):
        load_checkpoint(path)


def test_a_training_goes_on_when_nobody_reads_its_progress() -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w", buffering=1)
    result = fit(training(epochs=2), callbacks=[TrainingProgress(stream)])
    assert result.ending == "finished"
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_without_held_out_examples_nothing_stops_early() -> None:
    source = open_source("digits")
    settings = {**SMALL, "data": {"validation_fraction": 0.0}, "training": {"epochs": 6, "patience": 2}}
    config, preprocessing = resolve(source, None, settings)
    result = fit(prepare_training(source.load(preprocessing), preprocessing, config, name="digits"))
    assert (result.ending, len(result.history)) == ("finished", 6)


def test_however_little_time_there_is_a_step_is_made_and_can_be_gone_on_from(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert fit(training(max_minutes=1e-9), run).ending == "time"
    assert load_checkpoint(run.last_checkpoint)["step"] >= 1


def test_models_look_at_pictures_and_their_mirror_images_first_where_the_training_mirrors(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
    images[:, :, :8] = 0  # dark on the left
    np.save(tmp_path / "dark.npy", images)
    source = open_source(tmp_path / "dark.npy")
    means: list[torch.Tensor] = []
    for mirror in (False, True):
        config, preprocessing = resolve(source, "inpainting", {"training": {"mirror": mirror}})
        model = prepare_training(source.load(preprocessing), preprocessing, config).trained.model
        means.append(model.get_buffer("guess.mean").mean((0, 1)))
    assert means[0][:8].max() < 0.05 < 0.2 < means[1].min()
    assert means[1] == pytest.approx(means[1].flip(0), abs=1e-5)


def test_signals_are_as_they_were_before_a_training():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    latentia.VAE(latent_dim=2, epochs=1).fit(np.random.default_rng(0).normal(size=(40, 5)))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"classes": 5}}, "counted in the labels"),
        ({"model": {"kind": "sequence", "encoder": "conv-gru", "decoder": "conv-gru"}}, "is not for pictures"),
        ({"prior_stage": {"steps": 5}}, "comes after this training"),
        ({"training": {"prior_steps": 5}}, "for recordings, not for pictures"),
        ({"model": {"likelihood": {"name": "discretised-logistic-mixture", "components": 0}}}, "at least 1 component"),
        ({"model": {"frame_prior": "independent"}}, r"model\.frame_prior has no effect"),
        ({"model": {"frame_dim": 3}}, r"model\.frame_dim has no effect"),
        ({"model": {"group_posterior": "diagonal-gaussian"}}, r"model\.group_posterior has no effect"),
        ({"model": {"likelihood": "itakura-saito"}}, "is for powers"),
    ],
)
def test_settings_that_would_do_harm_or_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    source = open_source("digits")
    config, preprocessing = resolve(source, None, changes)
    with pytest.raises(OptionError, match=message):
        prepare_training(source.load(preprocessing), preprocessing, config, name="digits")
