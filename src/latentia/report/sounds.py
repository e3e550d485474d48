"""The sections of a report on a model of speech: players, spectrograms, and what latents do to the voice."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.core import Batch
from latentia.data import SpeechPreprocessing
from latentia.files import synthetic_tag
from latentia.report.blocks import Prose, Section, Sound, Sounds, Table, picture, sound
from latentia.report.material import Material
from latentia.report.spectrogram import spectrograms
from latentia.tasks import generate, joined, reconstruct
from latentia.tasks import sound as waveforms
from latentia.tasks.voice import STEPS, Effect, voice_effects

PAIRS, SAMPLES, LATENTS = 4, 8, 6


def recordings(material: Material) -> Section | None:
    """Recordings beside what became of them, and beside what the vocoder alone makes of their features."""
    form = material.trained.preprocessing
    if form.kind != "speech":
        return None
    chosen = material.spread(PAIRS)
    result = reconstruct(material.trained, material.dataset, chosen)
    batch = material.dataset.batch(chosen)
    rows: list[Sound] = []
    versions = (
        ("recording", [batch.sequence(row).numpy() for row in range(len(batch))], result.original),
        ("features alone", waveforms(material.trained, result.original), result.original),
        ("given back", waveforms(material.trained, result.mean), result.mean),
    )
    for row, index in enumerate(chosen.tolist()):
        for label, waves, features in versions:
            name = f"{material.dataset.name(index)}: {label}" if label == "recording" else label
            made = "" if label == "recording" else synthetic_tag("reconstruct")
            rows.append(_sound(form, waves[row], features.rows(slice(row, row + 1)), name, made))
    text = (
        "Each recording is squeezed into its latents and made again from them alone. The one in the middle is the "
        f"ceiling: the vocoder '{material.trained.config.vocoder.name}' on the true features, with no model between."
    )
    return Section("recordings", "Recordings and what is given back", (Prose(text), Sounds(tuple(rows), 3)))


def voices(material: Material) -> Section | None:
    """New recordings."""
    form = material.trained.preprocessing
    if form.kind != "speech":
        return None
    made = generate(material.trained, SAMPLES)
    heard = waveforms(material.trained, made)
    rows = [
        _sound(form, wave, made.rows(slice(row, row + 1)), f"sample {row + 1}", synthetic_tag("generate"))
        for row, wave in enumerate(heard)
    ]
    text = (
        "Nobody said these: a voice at random, then one group of frames after the other, each from those before it, "
        "until the model ends the utterance."
    )
    return Section("samples", "Samples", (Prose(text), Sounds(tuple(rows), 4)))


def utterance_latents(material: Material) -> Section | None:
    """What each latent of the utterance does to the voice."""
    form = material.trained.preprocessing
    if form.kind != "speech" or len(material.encoding) < 2:
        return None
    effects = voice_effects(material.trained, material.encoding, n_latents=LATENTS)
    rows = [_player(form, effect) for effect in effects]
    table = Table(
        ("", "Pitch", "Loudness", "Brightness", "Length of new utterances"),
        tuple(_measured(effect) for effect in effects),
    )
    text = (
        f"In each sound one latent of the utterance goes from low to high in {STEPS} steps; the others, and those of "
        "frames, stay where a typical recording with a pitch has them. The table says what was measured at both ends: "
        "the median fundamental frequency, the level of active speech, and the centre of gravity of the spectrum; and "
        "how long new utterances with the latent low and high become."
    )
    heard = sum(effect.audible for effect in effects)
    verdict = (
        f"Of these {len(effects)} latents, {heard} change something that can be heard."
        if heard
        else "None of these latents changes anything that can be heard: this model tells what is said, and by whom, in "
        "the latents of its frames, so that moving those of the utterance does next to nothing."
    )
    return Section(
        "voice", "What the latents do to the voice", (Prose(text), Prose(verdict), Sounds(tuple(rows), 3), table)
    )


def _player(form: SpeechPreprocessing, effect: Effect) -> Sound:
    wave = joined(effect.sounds, form.sample_rate)
    features, lengths = form.front_end.features(torch.from_numpy(wave)[None])
    label = f"latent {effect.latent} · {effect.score:.2f} nats"
    return _sound(form, wave, Batch(features, lengths=lengths), label, synthetic_tag("traverse"))


def _measured(effect: Effect) -> tuple[str, ...]:
    low, high = effect.voices[0], effect.voices[-1]
    pairs: tuple[tuple[str, str], ...] = (("pitch", "Hz"), ("level", "dB"), ("brightness", "Hz"))
    cells = [_change(getattr(low, name), getattr(high, name), unit) for name, unit in pairs]
    return (f"latent {effect.latent}", *cells, f"{effect.seconds[0]:.2f} → {effect.seconds[1]:.2f} s")


def _change(low: float, high: float, unit: str) -> str:
    """Says two figures, of which one or both may not exist.

    Example:
        >>> _change(math.nan, 120.4, "Hz"), _change(math.nan, math.nan, "Hz")
        ('none → 120 Hz', 'none')
    """
    said = [f"{value:.0f} {unit}" if math.isfinite(value) else "none" for value in (low, high)]
    if said[0] == said[1]:
        return said[0]
    return f"{said[0].removesuffix(f' {unit}')} → {said[1]}"


def _sound(
    form: SpeechPreprocessing, waveform: NDArray[np.float32], features: Batch, label: str, synthetic: str
) -> Sound:
    drawn = spectrograms(form.front_end, Batch(features.sequence(0)[None]))
    image = picture(drawn, 1, f"spectrogram of {label}", synthetic=synthetic)
    return sound(waveform, form.sample_rate, image, label, synthetic)
