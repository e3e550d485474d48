"""The whole line on real recordings: speech written out of the mirror's sets at mixed rates, channels and formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.speech_sets import SETS
from latentia.data.audio import resample

SMALL = (
    *("--set", "model.latent_dim=8", "--set", "model.frame_dim=8"),
    *("--set", "model.encoder={name: conv-gru, width: 32, blocks: 1}"),
    *("--set", "model.decoder={name: conv-gru, width: 32, blocks: 1}"),
    *("--set", "model.frame_prior={name: recurrent, width: 32}", "--set", "training.prior_steps=20"),
)
# suffix, sample rate, channels, coding
FORMS = (
    ("wav", 44_100, 2, "PCM_16"),
    ("flac", 22_050, 1, "PCM_16"),
    ("ogg", 48_000, 2, "VORBIS"),
    ("wav", 8_000, 1, "ULAW"),
    ("wav", 96_000, 1, "FLOAT"),
    ("flac", 16_000, 8, "PCM_24"),
    ("mp3", 32_000, 1, "MPEG_LAYER_III"),
    ("wav", 11_025, 1, "PCM_24"),
)


@pytest.fixture
def voices(mirror: Path, tmp_path: Path) -> Path:
    """48 recordings of as many people, women and men in folders of their own."""
    clips = SETS["librispeech_4s"].read("train", mirror)
    folder = tmp_path / "voices"
    for number in range(48):
        wave, rate = clips.read(number)
        suffix, own_rate, channels, subtype = FORMS[number % len(FORMS)]
        samples = np.clip(resample(wave, rate, own_rate), -1, 1)
        place = folder / clips.heads["gender"][number]
        place.mkdir(parents=True, exist_ok=True)
        # The further channels are quieter copies, as of microphones further away.
        spread = np.stack([samples / (1 + channel) for channel in range(channels)], 1)
        soundfile.write(place / f"{number:02}.{suffix}", spread, own_rate, subtype=subtype)
    return folder


def test_from_a_folder_of_mixed_recordings_to_sound_and_figures(cli, voices: Path, tmp_path: Path) -> None:
    damaged = next(voices.rglob("*.flac"))
    (damaged.parent / "broken.flac").write_bytes(damaged.read_bytes()[:3000])
    run, out = tmp_path / "run", tmp_path / "out"
    trained = cli("train", voices, "-o", run, "--epochs", "6", "--set", "training.batch_size=8", "--json", *SMALL)
    assert trained.code == 0, trained.err
    assert "broken.flac" in trained.err
    recorded = json.loads((run / "config.json").read_text())
    assert recorded["preprocessing"]["front_end"]["sample_rate"] == 16_000
    assert recorded["label_names"]["label"] == sorted({path.parent.name for path in voices.rglob("*.wav")})
    assert recorded["data"]["problems"]["unreadable"] == 1
    log = [json.loads(line) for line in (run / "train_log.jsonl").read_text().splitlines()]
    assert log[-1]["validation_elbo"] > log[0]["validation_elbo"]

    files = [sorted(voices.rglob(f"*.{suffix}"))[0] for suffix in ("wav", "flac", "ogg", "mp3")]
    assert cli("reconstruct", run, *files, "-o", out / "pairs").code == 0
    for path in files:
        own, (made, rate) = soundfile.info(path), soundfile.read(out / "pairs" / f"{path.stem}.wav")
        assert rate == 16_000
        assert len(made) / rate == pytest.approx(own.duration, abs=0.06)  # an MP3 is padded by its coder
    assert cli("generate", run, "-n", "2", "-o", out / "samples").code == 0
    assert cli("interpolate", run, *files[:2], "-o", out / "way").code == 0
    assert cli("embed", run, voices, "-o", out / "z.npz").code == 0
    with np.load(out / "z.npz") as latents:
        assert latents["mean"].shape == (48, 8)
        assert set(latents["label"]) == set(recorded["label_names"]["label"])
    assert cli("evaluate", run, voices, "-o", out / "evaluation").code == 0
    assert json.loads((out / "evaluation" / "metrics.json").read_text())["rate_bits_per_second"] > 0


def test_the_free_spoken_digit_dataset_trains(cli, mirror: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = cli("train", "fsdd", "-o", run, "--mirror", mirror, "--epochs", "2", "--json", *SMALL)
    assert trained.code == 0, trained.err
    recorded = json.loads((run / "config.json").read_text())
    assert recorded["preprocessing"]["front_end"]["sample_rate"] == 8_000
    assert set(recorded["label_names"]) == {"word", "speaker"}
    log = [json.loads(line) for line in (run / "train_log.jsonl").read_text().splitlines()]
    assert log[-1]["validation_elbo"] > log[0]["validation_elbo"]
    assert cli("generate", run, "-n", "2", "-o", tmp_path / "samples").code == 0
