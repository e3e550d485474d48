from __future__ import annotations

import numpy as np
import pytest
import soundfile
from PIL import Image


@pytest.fixture
def recordings(tmp_path):
    """A folder of twelve recordings."""
    random = np.random.default_rng(0)
    (tmp_path / "recordings").mkdir()
    for number in range(12):
        samples = random.normal(size=(8000, 1 + number % 2)) * 0.1
        soundfile.write(tmp_path / "recordings" / f"{number}.wav", samples, 16_000)
    return tmp_path / "recordings"


def test_recordings_are_checked(cli, recordings):
    (recordings / "text.wav").write_text("no sound")
    (recordings / "metadata.csv").write_text("file_name,speaker\n0.wav,ann\n1.wav,bob\n")
    checked = cli("data", "check", recordings)
    assert checked.code == 0
    for words in (
        "13 recordings, 12 usable",
        "0.1 minutes in all; 0.50 to 0.50 s",
        "12 16000 Hz; 6 mono, 6 stereo",
        "12 WAV PCM_16",
        "dB of full scale",
        "noticed 6 channels, 1 unreadable",
        "speaker (unknown) 11, ann 1, bob 1",
        "- Train at 16000 Hz",
    ):
        assert words in checked.out
    assert cli("data", "check", recordings, "--json").json["kinds"] == {"channels": 6, "unreadable": 1}


def test_a_person_is_asked_which_files_are_meant(cli, recordings):
    Image.new("L", (9, 9)).save(recordings / "face.png")
    asked = cli("data", "check", recordings)
    assert asked.code == 2
    assert "1 pictures and 12 recordings" in asked.err
    assert "12 recordings, 12 usable" in cli("data", "check", recordings, "--kind", "speech").out
    assert "1 picture file, 1 usable" in cli("data", "check", recordings, "--kind", "image").out
    wrong = cli("data", "check", recordings, "--kind", "sound")
    assert wrong.code == 2
    assert "'sound'" in wrong.err
