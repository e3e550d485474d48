from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from latentia.data import read_audio_header, read_recording, resample, stream_recording, write_recording
from latentia.errors import DataError, FileError


def tone(seconds: float = 1.0, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


FORMS = [
    *(("wav", subtype, 2**-7 if "8" in subtype else 1e-4) for subtype in ("PCM_16", "PCM_24", "PCM_U8", "FLOAT")),
    *(("wav", "DOUBLE", 1e-6), ("flac", "PCM_24", 1e-6), ("aiff", "PCM_16", 1e-4), ("au", "PCM_16", 1e-4)),
    *(("caf", "PCM_16", 1e-4), ("w64", "PCM_16", 1e-4), ("ogg", "VORBIS", 0.1), ("mp3", "MPEG_LAYER_III", 0.1)),
]


@pytest.mark.parametrize(("ending", "subtype", "error"), FORMS)
def test_formats_are_read_alike(tmp_path, ending, subtype, error):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, tone(), 16_000, subtype=subtype)
    header = read_audio_header(path)
    assert (header.sample_rate, header.channels, header.subtype) == (16_000, 1, subtype)
    assert header.seconds == pytest.approx(1.0, abs=0.1)
    waveform, rate = read_recording(path)
    assert (waveform.dtype, rate) == (np.float32, 16_000)
    assert len(waveform) == pytest.approx(16_000, abs=1600)
    n = min(len(waveform), 16_000)
    if ending != "mp3":  # which shifts
        assert np.abs(waveform[:n] - tone()[:n]).max() < error
    assert np.sqrt((waveform**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_rates_and_channels_are_brought_to_one(tmp_path, rate):
    wave = tone(rate=rate, seconds=2)
    channels = np.stack([wave * weight for weight in (0.0, 0.5, 1.0, 2.0, 1.5, 1.0, 1.0, 1.0)], 1)
    soundfile.write(tmp_path / "a.wav", channels, rate, subtype="FLOAT")
    waveform, got = read_recording(tmp_path / "a.wav", 16_000)
    assert got == 16_000
    assert len(waveform) == pytest.approx(32_000, abs=2)
    middle = slice(1000, -1000)  # filters ring at the ends
    assert np.abs(waveform[middle] - tone(2)[: len(waveform)][middle]).max() < 2e-3


def test_streamed_resampling_is_that_of_the_whole(tmp_path, voice):
    wave = voice(3, 3.0, 44_100)
    soundfile.write(tmp_path / "a.wav", wave, 44_100, subtype="FLOAT")
    whole = read_recording(tmp_path / "a.wav", 16_000)[0]
    blocks = list(stream_recording(tmp_path / "a.wav", 16_000, block_seconds=0.1))
    assert len(blocks) >= 30
    assert max(len(block) for block in blocks) < 3200
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)
    np.testing.assert_allclose(resample(wave, 44_100, 16_000), whole, atol=1e-6)


def measure(script: str) -> int:
    """Runs a script and returns by how many MiB the memory of its process grew after `before()`."""
    frame = f"""
import resource, sys
import numpy as np
from latentia.data import read_recording, stream_recording

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 2**20)

{script}
print(used() - before)
"""
    # Not started from here, since a process inherits the largest size of the one that started it.
    shell = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, frame]
    done = subprocess.run(shell, check=True, timeout=200, capture_output=True, text=True)
    return int(done.stdout)


def write_long(path, wave, rate, times, channels=1):
    with soundfile.SoundFile(path, "w", rate, channels) as file:
        for _ in range(times):
            file.write(np.repeat(wave[:, None], channels, 1))


def test_eight_channels_at_96_khz_take_the_memory_of_one_at_16(tmp_path):
    write_long(tmp_path / "a.wav", tone(10, 96_000), 96_000, 6, 8)  # 184 MiB as floats
    grown = measure(f"""
next(stream_recording({str(tmp_path / "a.wav")!r}, 16_000, 0.1))
before = used()
waveform, rate = read_recording({str(tmp_path / "a.wav")!r}, 16_000)
assert abs(len(waveform) - 60 * 16_000) < 10, len(waveform)
""")
    assert grown < 48


def test_an_hour_is_read_and_streamed(tmp_path):
    write_long(tmp_path / "a.flac", tone(60, 8_000), 8_000, 60)
    path = str(tmp_path / "a.flac")
    grown = measure(f"""
before = used()
assert sum(map(len, stream_recording({path!r}))) == 3600 * 8_000
""")
    assert grown < 32
    grown = measure(f"""
before = used()
assert len(read_recording({path!r})[0]) == 3600 * 8_000  # 110 MiB
""")
    assert 100 < grown < 150


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("Dear diary, today I was not a recording.\n" * 50)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    soundfile.write(tmp_path / "none.wav", np.empty(0, np.float32), 16_000)
    for name, error, words in (
        ("text.wav", DataError, "not a recording"),
        ("empty.wav", DataError, "empty"),
        ("none.wav", DataError, "no samples"),
        ("folder.wav", FileError, "folder"),
        ("pipe.wav", FileError, "pipe"),
        ("zero.wav", FileError, "device"),
        ("gone.wav", FileError, "no file"),
    ):
        with pytest.raises(error, match=words):
            read_recording(tmp_path / name)


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff", "au", "mp3", "caf", "rf64", "w64", "voc"])
def test_files_that_were_cut_off_are_damaged(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"damaged or cut off|malformed"):
        read_recording(path)


def test_a_length_that_nobody_knew_is_no_damage(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), 16_000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    for size in (0xFFFFFFFF, 0x7FFFF024):
        at = content.index(b"data") + 4
        content[at : at + 4] = size.to_bytes(4, "little")
        (tmp_path / "a.wav").write_bytes(content)
        assert len(read_recording(tmp_path / "a.wav")[0]) == 16_000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, bad):
    wave = tone()
    wave[7777] = bad
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    for rate in (None, 8_000):
        with pytest.raises(DataError, match="not finite"):
            read_recording(tmp_path / "a.wav", rate)
    with pytest.raises(DataError, match="finite"):
        write_recording(tmp_path / "b.wav", wave, 16_000)
    assert not (tmp_path / "b.wav").exists()


def test_names_that_are_no_text_are_read(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    write_recording(path, tone(), 16_000)
    assert len(read_recording(path)[0]) == 16_000


def test_what_was_written_says_that_it_is_synthetic(tmp_path):
    path = tmp_path / "a.wav"
    assert write_recording(path, tone(), 16_000, synthetic="latentia 0.1.0 generate") == 1.0
    with soundfile.SoundFile(path) as file:
        assert (file.subtype, file.channels, file.samplerate) == ("PCM_16", 1, 16_000)
        assert file.comment == "synthetic: latentia 0.1.0 generate"
    first = path.read_bytes()
    write_recording(path, tone(), 16_000, synthetic="latentia 0.1.0 generate")
    assert path.read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]
    with pytest.raises(FileError, match="gone"):
        write_recording(tmp_path / "gone" / "a.wav", tone(), 16_000)
    with pytest.raises(DataError, match="waveforms"):
        write_recording(path, np.zeros((2, 5)), 16_000)


@given(st.lists(st.floats(-3.0, 3.0, width=32), min_size=1, max_size=50))
def test_written_samples_come_back(tmp_path_factory, values):
    path, wave = tmp_path_factory.mktemp("audio") / "a.wav", np.array(values, np.float32)
    gain = write_recording(path, wave, 8_000)
    assert gain == 1.0 if np.abs(wave).max() <= 1 else 0 < gain < 1
    np.testing.assert_allclose(read_recording(path)[0], wave * gain, atol=1.01 / 32768)
