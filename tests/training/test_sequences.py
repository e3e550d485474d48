from __future__ import annotations

import io
from copy import deepcopy

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from latentia.config import PriorStageConfig
from latentia.core import Batch
from latentia.data import epoch_batches, open_source, perturb_speed, prepare
from latentia.errors import OptionError
from latentia.objectives import Elbo
from latentia.presets import resolve
from latentia.runs import RunFolder, read_model
from latentia.training.fit import fit, prepare_training
from latentia.training.prior import fit_prior, mean_prior_nats, read_posteriors
from latentia.training.progress import TrainingProgress
from tests.conftest import CONV_GRU, tone_source


def training(epochs=3, model=None, **options):
    source = tone_source()
    model = {"latent_dim": 4, "frame_dim": 3, "encoder": CONV_GRU, "decoder": CONV_GRU, **(model or {})}
    settings = {"model": model, "training": {"epochs": epochs, "batch_size": 4, "prior_steps": 5, **options}}
    config, preprocessing = resolve(source, None, settings)
    return prepare_training(source.load(preprocessing), preprocessing, config, name=source.name)


class StopAfter(Callback):
    def __init__(self, steps):
        self.left = steps

    def on_train_batch_end(self, trainer, *_args, **_options):
        self.left -= 1
        if self.left == 0:
            trainer.should_stop = True


def test_training_improves_the_bound(tmp_path):
    result = fit(training(epochs=20, learning_rate=0.01, weight_average=0.5), RunFolder(tmp_path / "run"))
    elbos = [line["validation_elbo"] for line in result.history]
    assert elbos[-1] > elbos[0] + 100  # it starts as the best linear model
    saved = read_model(tmp_path / "run")
    assert int(saved.model.longest) == int(result.trained.model.longest)
    assert saved.speech.sample_rate == 8000


def test_the_start_is_the_best_linear_model():
    made = training()
    batch = prepare(made.dataset.batch(made.train), made.trained.preprocessing)
    model = made.model.eval()
    with torch.no_grad():
        mean = model.decode(model.encode(batch)[1]).mean[0]
    exists = (torch.arange(batch.x.shape[1]) < batch.lengths[:, None]).unsqueeze(-1)
    error = (mean - batch.x)[exists.expand_as(mean)].square().mean().item()
    # Components of groups about the mean of each recording, and of those means; both are fitted to the same data.
    groups = [
        batch.sequence(row)[: int(batch.lengths[row]) // 8 * 8].reshape(-1, 8 * batch.x.shape[2])
        for row in range(len(batch))
    ]
    inside = torch.cat([group - group.mean(0) for group in groups])
    between = torch.stack([group.mean(0) for group in groups])
    left = sum(
        torch.linalg.svdvals(rows - rows.mean(0))[kept:].square().sum() / rows.numel()
        for rows, kept in ((inside, 3), (between, 4))
    )
    assert error < 1.3 * float(left)
    assert model.likelihood.log_scale.exp().item() == pytest.approx(error**0.5, rel=0.3)


def test_a_stopped_training_resumes_bit_equal(tmp_path):
    whole = fit(training(), RunFolder(tmp_path / "whole")).trained.model.state_dict()
    run = RunFolder(tmp_path / "parts")
    assert fit(training(), run, callbacks=[StopAfter(7)]).ending == "interrupted"
    resumed = fit(training(), run, resume=True)
    assert resumed.ending == "finished"
    parts = resumed.trained.model.state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_speakers_stay_on_one_side():
    source = tone_source(24)
    made = training()
    speakers = made.dataset.labels["speaker"]
    assert source.kind == "speech"
    assert not set(speakers[made.train].tolist()) & set(speakers[made.validation].tolist())


def test_batches_are_of_like_lengths_and_each_sequence_comes_once():
    lengths = np.random.default_rng(0).integers(1, 1000, 330)
    rows = np.arange(1000, 1330)
    batches = epoch_batches(rows, lengths, 10, seed=0, epoch=0)
    assert batches.shape == (33, 10)
    assert sorted(batches.flatten().tolist()) == rows.tolist()
    spread = np.mean([np.ptp(lengths[batch - 1000]) for batch in batches])
    assert spread < 200  # 820 at random
    assert not np.array_equal(batches, epoch_batches(rows, lengths, 10, seed=0, epoch=1))
    assert np.array_equal(batches, epoch_batches(rows, lengths, 10, seed=0, epoch=0))
    starts = lengths[batches[:, 0] - 1000]
    assert np.abs(np.corrcoef(starts, np.arange(33))[0, 1]) < 0.5  # not from short to long


def test_speed_is_changed_as_on_a_tape():
    torch.manual_seed(0)
    time = torch.arange(8000) / 8000
    wave = torch.sin(2 * torch.pi * 500 * time)
    batch = Batch(torch.stack([wave, wave * (time < 0.5)]), lengths=torch.tensor([8000, 4000]))
    seen = set()
    for _ in range(10):
        changed = perturb_speed(batch, 0.2)
        speed = 8000 / changed.x.shape[1]
        assert 1 / 1.2 - 1e-3 <= speed <= 1.2 + 1e-3
        assert changed.lengths.tolist() == [changed.x.shape[1], changed.x.shape[1] // 2]
        loudest = torch.fft.rfft(changed.x[0]).abs().argmax() * 8000 / changed.x.shape[1]
        assert loudest.item() == pytest.approx(500 * speed, abs=8)
        assert changed.x[0].abs().max().item() == pytest.approx(1.0, abs=0.2)
        seen.add(changed.x.shape[1])
    assert len(seen) > 5
    assert perturb_speed(batch, 0.0) is batch


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"encoder": {**CONV_GRU, "stride": 2}}, "must gather as many positions"),
        ({"encoder": {**CONV_GRU, "stride": 0}}, "must be at least 1, not 0"),
        ({"kind": "single-latent", "encoder": "dense", "decoder": "dense"}, "is not for recordings"),
    ],
)
def test_models_that_do_not_fit_recordings_are_refused(model, message):
    with pytest.raises(OptionError, match=message):
        training(model=model)


def test_pictures_have_no_speed():
    source = open_source("digits")
    config, preprocessing = resolve(source, None, {"training": {"speed_perturbation": 0.1}})
    with pytest.raises(OptionError, match="for recordings, not for pictures"):
        prepare_training(source.load(preprocessing), preprocessing, config)


def test_the_last_part_of_a_training_is_shown(monkeypatch):
    plain, terminal = io.StringIO(), io.StringIO()
    fit(training(epochs=1), callbacks=[TrainingProgress(plain)])
    assert plain.getvalue().splitlines()[-1] == "priors alone: 5 steps"
    monkeypatch.setenv("FORCE_COLOR", "1")  # with which Rich takes a stream for a terminal
    fit(training(epochs=1), callbacks=[TrainingProgress(terminal)])
    shown = terminal.getvalue().rsplit("priors alone", 1)[1]
    assert "100%" in shown
    assert shown.endswith("\x1b[?25h")  # the cursor is back


def test_the_priors_learn_last_and_nothing_else_changes():
    made = training()
    model = made.model.eval().requires_grad_(False)
    batches = [prepare(made.dataset.batch(np.arange(24)), made.trained.preprocessing)]
    posteriors = read_posteriors(model, batches)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def cost():
        torch.manual_seed(0)
        with torch.no_grad():
            terms = Elbo()(model.infer(batches[0], 50), batches[0])
        return terms.rate.mean().item()

    first, stage = cost(), PriorStageConfig(steps=200, batch_size=64, learning_rate=2e-3)
    fit_prior(model, posteriors, stage)
    assert cost() < 0.8 * first
    costs = [[mean_prior_nats(model, posteriors, n, lengths=each) for n in range(30)] for each in (False, True)]
    assert np.mean(costs[0]) == pytest.approx(cost(), rel=0.03)
    assert np.mean(costs[1]) > np.mean(costs[0]) + 0.1  # each end is worth some nats
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"prior", "frame_prior"}
    again = deepcopy(model)
    again.load_state_dict(before)
    fit_prior(again, posteriors, stage)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
