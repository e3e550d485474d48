from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.core import Batch
from latentia.data import Ragged
from latentia.errors import OptionError
from latentia.tasks import (
    encode,
    generate,
    interpolate,
    present,
    prior_latents,
    reconstruct,
    sound,
    sound_of_files,
    traverse,
)
from latentia.tasks.voice import Effect, Voice, measure_voice, voice_effects


def test_results_are_functions_of_the_seed(speech):
    trained, _ = speech
    once = generate(trained, 5, seed=3)
    torch.manual_seed(2)
    assert torch.equal(generate(trained, 5, seed=3).x, once.x)
    assert not torch.equal(generate(trained, 5, seed=4).lengths, once.lengths)
    more = prior_latents(trained, 300, 3)
    assert torch.equal(more.code[:, :5], prior_latents(trained, 5, 3).code)
    assert torch.equal(more.lengths[:5], once.lengths)


def test_a_recording_gives_the_same_alone_and_in_a_batch(speech):
    trained, dataset = speech
    together, alone = encode(trained, dataset), encode(trained, dataset, [7])
    assert together.mean.shape == (24, 4)
    # The weights at random make figures of several tens, of which float32 keeps seven digits.
    assert alone.mean[0] == pytest.approx(together.mean[7], rel=1e-5, abs=1e-5)
    assert alone.std[0] == pytest.approx(together.std[7], rel=1e-5, abs=1e-5)
    both, one = reconstruct(trained, dataset).mean, reconstruct(trained, dataset, [7]).mean
    range_of_values = float(one.x.max() - one.x.min())
    assert torch.allclose(both.sequence(7) / range_of_values, one.sequence(0) / range_of_values, atol=1e-5)
    # The search for phases makes more of the last digit, so that it is given the same features.
    waves, wave = sound(trained, both), sound(trained, Batch(both.sequence(7)[None]))
    assert waves[7] == pytest.approx(wave[0], abs=1e-5)


def test_reconstructions_have_the_length_and_level_of_the_recording(speech):
    trained, dataset = speech
    result = reconstruct(trained, dataset)
    assert torch.equal(result.original.lengths, result.mean.lengths)
    waves = sound_of_files(trained, result.original, dataset)
    assert [len(wave) for wave in waves] == dataset.lengths.tolist()
    loud = sound_of_files(trained, result.original, replace(dataset, gains=dataset.gains / 2))
    assert loud[3] == pytest.approx(2 * waves[3], abs=1e-5)


def test_pieces_of_a_recording_are_joined_without_a_seam(speech):
    trained, _ = speech
    form = trained.preprocessing.model_copy(update={"piece_seconds": 0.5})
    time = np.arange(8000) / 8000
    whole = 0.2 * np.sin(2 * np.pi * 220 * time).astype(np.float32)
    pieces, gain = form.apply(whole)
    store = Ragged.of(pieces)
    dataset = replace(speech[1], x=store, lengths=store.lengths, gains=np.full(len(pieces), gain), labels={}, groups=())
    dataset = replace(dataset, file_names=("a.wav",) * len(pieces))
    features = reconstruct(trained, dataset).original
    waves = sound_of_files(trained, features, dataset)
    assert len(pieces) == 2
    assert len(waves) == 1
    assert len(waves[0]) == 8000
    middle = waves[0][3600:4400]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(800)))
    assert np.argmax(spectrum) * 10 == pytest.approx(220, abs=10)
    assert spectrum[60:].max() < 0.1 * spectrum.max()  # no click


def test_ways_start_and_end_at_the_reconstructions(speech):
    trained, dataset = speech
    way = interpolate(trained, dataset, (0, 5), steps=5)
    ends = reconstruct(trained, dataset, [0, 5]).mean
    assert torch.equal(way.lengths[[0, -1]], ends.lengths)
    for place, end in ((0, 0), (4, 1)):
        assert torch.allclose(way.sequence(place), ends.sequence(end), atol=1e-4)
    lengths = way.lengths.tolist()
    assert lengths in (sorted(lengths), sorted(lengths, reverse=True))


def test_traversals_move_the_code_and_keep_the_frames(speech):
    trained, dataset = speech
    encoding = encode(trained, dataset)
    start = encoding.latents(2)
    result = traverse(trained, encoding, start=start, n_latents=2, steps=3)
    assert result.frames.x.shape[0] == 6
    assert set(result.frames.lengths.tolist()) == {int(start.lengths)}
    code = start.code.clone()
    code[0, 0, result.latents[1]] = result.values[1, 2]
    expected = trained.model.decode(replace(start, code=code)).mean[0, 0]
    assert torch.allclose(result.row(1).sequence(2), expected[: int(start.lengths)], atol=1e-4)
    assert traverse(trained, n_latents=1, steps=2).frames.x.isfinite().all()  # from its own samples


def test_effects_are_measured(speech):
    trained, dataset = speech
    effects = voice_effects(trained, encode(trained, dataset), n_latents=2)
    assert len(effects) == 2
    assert all(len(effect.sounds) == len(effect.voices) == 5 for effect in effects)
    assert all(min(effect.seconds) > 0 for effect in effects)


def test_measurements_of_a_known_voice():
    time = np.arange(16000) / 16000
    tone = 0.1 * sum(np.sin(2 * np.pi * 200 * k * time) for k in range(1, 4))
    voice = measure_voice(tone, 16000)
    assert voice.pitch == pytest.approx(200, rel=0.01)
    assert voice.brightness == pytest.approx(400, rel=0.05)
    assert voice.level == pytest.approx(10 * np.log10(3 * 0.005), abs=0.2)


def test_what_can_be_heard():
    def effect(*, pitch=(100.0, 100.0), level=(-26.0, -26.0), brightness=(500.0, 500.0), seconds=(1.0, 1.0)):
        voices = tuple(Voice(*figures) for figures in zip(pitch, level, brightness, strict=True))
        return Effect(0, 1.0, (), voices, seconds).audible

    nan = float("nan")
    assert not effect()
    assert not effect(pitch=(100.0, 103.0), level=(-26.0, -25.5), brightness=(500.0, 515.0), seconds=(1.0, 1.05))
    assert effect(pitch=(106.0, 100.0))
    assert effect(pitch=(nan, 100.0))
    assert not effect(pitch=(nan, nan))
    assert effect(level=(-26.0, -27.5))
    assert effect(brightness=(500.0, 550.0))
    assert effect(seconds=(1.0, 1.2))


def test_pictures_make_no_sound_and_speech_no_pictures(speech, digits):
    with pytest.raises(OptionError, match="speech"):
        sound(digits[0], Batch(torch.zeros(1, 1, 8, 8)))
    with pytest.raises(OptionError, match="heard"):
        present(speech[0], generate(speech[0], 1))
    with pytest.raises(OptionError, match="speech"):
        voice_effects(digits[0], encode(*digits))
