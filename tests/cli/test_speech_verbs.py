"""The verbs on recordings, from a folder of mixed files to sound."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from PIL import Image

from latentia.cli.main import run
from latentia.runs import read_model
from tests.conftest import tones

TINY = (
    *("--set", "model.latent_dim=4", "--set", "model.frame_dim=3"),
    *("--set", "model.encoder={name: conv-gru, width: 16, blocks: 1}"),
    *("--set", "model.decoder={name: conv-gru, width: 16, blocks: 1}"),
    *("--set", "model.frame_prior={name: recurrent, width: 16}"),
    *("--set", "data.sample_rate=8000", "--set", "training.batch_size=8"),
    *("--set", "training.prior_steps=5"),
)


def write_recordings(folder):
    """Tones of two voices in mixed formats, rates and channels."""
    clips = tones(24)
    for number in range(24):
        wave, rate = clips.read(number)
        place = folder / clips.heads["speaker"][number]
        place.mkdir(parents=True, exist_ok=True)
        if number % 3 == 0:
            soundfile.write(place / f"{number:02}.flac", wave, rate)
        elif number % 3 == 1:
            soundfile.write(place / f"{number:02}.wav", np.stack([wave, wave], 1), rate, subtype="PCM_24")
        else:
            soundfile.write(place / f"{number:02}.ogg", np.repeat(wave, 2), 2 * rate)
    return folder


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """A folder of recordings."""
    return write_recordings(tmp_path_factory.mktemp("data") / "voices")


@pytest.fixture(scope="session")
def voice_run(tmp_path_factory, spoken):
    """A finished run folder."""
    folder = tmp_path_factory.mktemp("runs") / "voice"
    assert run(["train", str(spoken), "-o", str(folder), "--epochs", "2", *TINY]) == 0
    return folder


def test_training_writes_a_report_that_plays(voice_run):
    report = (voice_run / "report.html").read_text("utf-8")
    assert report.count("<audio") >= 3 * 2 + 8
    assert "data:audio/flac;base64," in report
    for anchor in ("recordings", "samples", "voice"):
        assert f'id="{anchor}"' in report
    trained = read_model(voice_run)
    assert trained.config.model.kind == "sequence"
    assert trained.preprocessing.sample_rate == 8000
    assert trained.label_names == {"label": ("high", "low")}
    assert "rate_bits_per_second" in (voice_run / "metrics.json").read_text()


def test_media_can_be_left_out(voice_run, spoken, cli, tmp_path):
    assert cli("evaluate", voice_run, spoken, "-o", tmp_path / "out", "--no-media").code == 0
    report = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "<audio" not in report
    assert "data:audio" not in report


def test_sounds_are_made_and_tagged(voice_run, cli, tmp_path):
    made = cli("generate", voice_run, "-n", 3, "-o", tmp_path / "out", "--json")
    assert made.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "grid.png",
        *(f"sample-000{number}.wav" for number in range(3)),
    ]
    with soundfile.SoundFile(tmp_path / "out" / "sample-0001.wav") as file:
        assert file.samplerate == 8000
        assert file.comment.startswith("synthetic: latentia")
    again = cli("generate", voice_run, "-n", 2, "-o", tmp_path / "again")
    assert again.code == 0
    same = [soundfile.read(tmp_path / place / "sample-0001.wav")[0] for place in ("out", "again")]
    assert np.array_equal(*same)


def test_a_long_recording_comes_back_as_one(voice_run, cli, tmp_path):
    time = np.arange(9 * 16_000) / 16_000
    soundfile.write(tmp_path / "long.wav", 0.01 * np.sin(2 * np.pi * 200 * time), 16_000)
    assert cli("reconstruct", voice_run, tmp_path / "long.wav", "-o", tmp_path / "out").code == 0
    wave, rate = soundfile.read(tmp_path / "out" / "long.wav")
    assert (len(wave), rate) == (9 * 8000, 8000)
    assert np.abs(wave).max() < 0.2  # at about the level of the file


def test_ways_traversals_and_latents(voice_run, spoken, cli, tmp_path):
    a, b = spoken / "low" / "00.flac", spoken / "high" / "05.ogg"
    assert cli("interpolate", voice_run, a, b, "-o", tmp_path / "way").code == 0
    assert len(list((tmp_path / "way").glob("frame-0*.wav"))) == 9
    assert cli("traverse", voice_run, "--input", a, "-o", tmp_path / "traverse").code == 0
    assert len(list((tmp_path / "traverse").glob("latent-00*.wav"))) == 4
    assert cli("embed", voice_run, spoken, "-o", tmp_path / "z.npz").code == 0
    with np.load(tmp_path / "z.npz") as latents:
        assert latents["mean"].shape == (24, 4)
        assert set(latents["label"]) == {"low", "high"}
        assert "frame_mean" not in latents
    assert cli("embed", voice_run, spoken, "--frames", "-o", tmp_path / "frames.npz").code == 0
    with np.load(tmp_path / "frames.npz") as latents:
        frames, counts = latents["frame_mean"], latents["frame_count"]
    assert frames.shape == (24, counts.max(), 3)
    row = counts.argmin()
    assert np.all(frames[row, : counts[row]] != 0)


def test_what_does_not_fit_is_said(voice_run, trained, spoken, cli, tmp_path):
    Image.new("L", (30, 30)).save(tmp_path / "face.png")
    picture = cli("reconstruct", voice_run, tmp_path / "face.png", "-o", tmp_path / "out")
    assert (picture.code, "not a recording" in picture.err) == (2, True)
    sound = cli("reconstruct", trained, spoken / "low" / "00.flac", "-o", tmp_path / "out")
    assert (sound.code, "not a picture" in sound.err) == (2, True)
    data = cli("evaluate", trained, spoken, "-o", tmp_path / "out")
    assert (data.code, "holds recordings, but the model takes pictures" in data.err) == (2, True)
    frames = cli("embed", trained, "digits", "--frames", "-o", tmp_path / "z.npz")
    assert (frames.code, "latents of frames" in frames.err) == (2, True)
    preset = cli("train", spoken, "-o", tmp_path / "new", "--preset", "image")
    assert (preset.code, "is for pictures, but" in preset.err) == (2, True)
    other = cli("train", "digits", "-o", tmp_path / "new", "--preset", "speech")
    assert (other.code, "is for recordings, but" in other.err) == (2, True)
    assert not (tmp_path / "new").exists()
