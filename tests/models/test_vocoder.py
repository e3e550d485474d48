from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from latentia.data.frontend import FrontEnd
from latentia.errors import DataError, OptionError
from latentia.metrics import log_spectral_distance, mel_cepstral_distortion
from latentia.models import VOCODERS, GriffinLim, PhaseGradient, Vocoder
from latentia.models.vocoder import PIECE, magnitudes

NAMES = list(VOCODERS)


def vocoder(name: str, front: FrontEnd) -> Vocoder:
    return VOCODERS.build(name, {}, front_end=front)


def voice(seconds: float, sample_rate: int = 16_000) -> Tensor:
    """A voice that glides and wavers: harmonics under two formants, and a hiss in between."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = 130 + 25 * np.sin(2 * np.pi * 1.3 * time) + 3 * np.sin(2 * np.pi * 5 * time)
    turns = 2 * np.pi * np.cumsum(pitch) / sample_rate
    waves = np.zeros_like(time)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        formants = sum(np.exp(-(((frequency - centre) / width) ** 2)) for centre, width in ((600, 350), (1900, 600)))
        waves += (0.02 + formants) / math.sqrt(harmonic) * np.sin(harmonic * turns) * (frequency < sample_rate / 2.2)
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * time) + 0.6, 0, 1)
    hiss = np.random.default_rng(0).normal(size=len(time)) * (1 - syllables)
    return torch.from_numpy(0.08 * waves * syllables + 0.01 * hiss).float()


def distance(front: FrontEnd, reference: Tensor, estimate: Tensor) -> float:
    """Log-spectral distance of two waveforms (S,), dB."""
    power = [front.spectrum(wave[None])[0][0].abs().square().numpy() for wave in (reference, estimate)]
    return log_spectral_distance(power[0], power[1])


@pytest.mark.parametrize("feature", ["log-mel", "power"])
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_alone_and_in_a_batch_sound_alike(name, feature):
    front = FrontEnd(feature=feature)
    long, short = voice(1.3), voice(0.7)[:11111]
    waves = torch.zeros(2, len(long))
    waves[0], waves[1, : len(short)] = long, short
    samples = torch.tensor([len(long), len(short)])
    features, lengths = front.features(waves, samples)
    features[1, lengths[1] :] = math.nan  # what lies behind the end is nothing
    both = vocoder(name, front)(features, lengths, samples)
    alone = vocoder(name, front)(features[1:, : lengths[1]], lengths[1:], samples[1:])
    assert alone.abs().max() > 0.01
    assert torch.equal(both[1, : len(short)], alone[0])
    assert not both[1, len(short) :].any()


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_a_long_recording_join_without_a_seam(name):
    front = FrontEnd(sample_rate=8000, window=128, hop=64, mels=20)
    samples = (2 * PIECE + 100) * front.hop
    time = torch.arange(samples) / 8000
    waves = torch.stack([0.3 * torch.sin(2 * math.pi * 440 * time), 0.3 * torch.sin(2 * math.pi * 625 * time)])
    lengths = torch.tensor([samples, PIECE * front.hop - 7])
    features, frames = front.features(waves, lengths)
    made = vocoder(name, front)(features, frames, lengths)
    alone = vocoder(name, front)(features[1:, : frames[1]], frames[1:], lengths[1:])
    assert torch.equal(made[1, : lengths[1]], alone[0])
    level = made[0].unfold(0, front.window, front.hop).square().mean(-1)
    assert level.min() > 0.25 * level.median()
    assert level.max() < 4 * level.median()


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("feature", ["log-mel", "power"])
@pytest.mark.parametrize("name", ["griffin-lim", "phase-gradient"])
def test_a_sine_keeps_its_frequency_and_level_at_any_rate(name, feature, sample_rate):
    front = FrontEnd.for_rate(sample_rate, feature=feature)
    wave = 0.3 * torch.sin(2 * math.pi * 700 * torch.arange(sample_rate) / sample_rate)[None]
    made = vocoder(name, front)(*front.features(wave), torch.tensor([sample_rate]))[0]
    spectrum = torch.fft.rfft(made * torch.hann_window(sample_rate)).abs()  # 1 Hz apart
    assert abs(int(spectrum.argmax()) - 700) <= (2 if (name, feature) == ("phase-gradient", "power") else 12)
    assert made.square().mean().sqrt() == pytest.approx(0.3 / math.sqrt(2), rel=0.2)


@pytest.mark.parametrize("feature", ["log-mel", "power"])
@pytest.mark.parametrize("name", NAMES)
def test_silence_stays_silent(name, feature):
    front = FrontEnd(feature=feature)
    made = vocoder(name, front)(*front.features(torch.zeros(1, 8000)))
    assert torch.isfinite(made).all()
    assert made.abs().max() < 1e-3


@pytest.mark.parametrize("samples", [1, 160, 161, 639])
@pytest.mark.parametrize("name", NAMES)
def test_the_shortest_recordings(name, samples):
    front = FrontEnd()
    made = vocoder(name, front)(*front.features(voice(0.1)[None, :samples]), torch.tensor([samples]))
    assert made.shape == (1, samples)
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("name", NAMES)
def test_fewer_samples_than_the_frames_have(name):
    front = FrontEnd(sample_rate=8000, window=128, hop=64, mels=20)
    features, _ = front.features(voice(9, 8000)[None])
    frames = torch.tensor([PIECE + 20])
    made = vocoder(name, front)(features, frames, torch.tensor([60_000]))
    assert made.shape == (1, 60_000)
    assert made[:, -3000:].abs().max() > 0.01
    assert not vocoder(name, front)(features, torch.tensor([0])).numel()


@pytest.mark.parametrize("name", NAMES)
def test_same_settings_same_sound_and_settings_come_back(name):
    front = FrontEnd()
    features, lengths = front.features(voice(0.5)[None])
    first = vocoder(name, front)
    torch.manual_seed(7)
    assert torch.equal(first(features, lengths), first(features, lengths))
    again = VOCODERS.build(VOCODERS.name_of(first), VOCODERS.arguments_of(first))
    assert torch.equal(again(features, lengths), first(features, lengths))


def test_the_seed_chooses_the_phases_of_griffin_lim():
    front = FrontEnd()
    features, lengths = front.features(voice(0.5)[None])
    assert not torch.allclose(GriffinLim(seed=0)(features, lengths), GriffinLim(seed=1)(features, lengths), atol=1e-3)


def test_griffin_lim_on_true_power_comes_near_to_the_spectrum():
    front, wave = FrontEnd(feature="power"), voice(2)[None]
    features, lengths = front.features(wave)

    def error(iterations: int) -> float:
        made = GriffinLim(front, iterations=iterations)(features, lengths)
        magnitude = front.spectrum(made)[0].abs()
        return float(20 * torch.log10((magnitude - features.sqrt()).norm() / features.sqrt().norm()))

    assert error(32) < -20
    assert error(32) < error(8) - 2


@pytest.mark.parametrize("iterations", [1, 8, 32])
def test_phases_from_gradients_are_a_better_start_than_random_ones(iterations):
    front, wave = FrontEnd(feature="power"), voice(2)
    features, lengths = front.features(wave[None])
    ours = PhaseGradient(front, iterations)(features, lengths)[0]
    assert distance(front, wave, ours) < 0.97 * distance(
        front, wave, GriffinLim(front, iterations)(features, lengths)[0]
    )


def test_what_the_better_path_makes_has_more_nearly_the_features_that_it_was_made_of():
    front = FrontEnd()
    features, lengths = front.features(voice(2)[None])

    def error(made: Tensor) -> tuple[float, float]:
        again = front.features(made)[0][0]
        distortion = mel_cepstral_distortion(features[0].numpy(), again.numpy())
        return float((again - features[0]).abs().mean()), distortion

    ours, theirs = error(PhaseGradient(front)(features, lengths)), error(GriffinLim()(features, lengths))
    assert ours[0] < 0.6 * theirs[0]
    assert ours[1] < 0.6 * theirs[1]


@pytest.mark.parametrize("mels", [40, 80, 160])
def test_magnitudes_explain_the_mel_bands(mels):
    front = FrontEnd(mels=mels)
    features, _ = front.features(voice(1)[None])
    explained = front.mel(magnitudes(front, features).square())
    loud = features > features.max() - 10
    assert (explained - features)[loud].abs().mean() < 0.1


def test_features_that_do_not_fit_are_refused():
    griffin_lim = GriffinLim()
    with pytest.raises(DataError, match=r"takes features \(N, T, 80\), not \(1, 5, 40\)"):
        griffin_lim(torch.zeros(1, 5, 40), torch.tensor([5]))
    with pytest.raises(DataError, match="do not fit"):
        griffin_lim(torch.zeros(1, 5, 80), torch.tensor([6]))
    with pytest.raises(DataError, match="160 samples of each frame"):
        griffin_lim(torch.zeros(1, 5, 80), torch.tensor([5]), torch.tensor([801]))
    with pytest.raises(OptionError, match="griffin-lim"):
        VOCODERS.build("griffinlim", {})
