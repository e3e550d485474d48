"""Speaks words with eSpeak NG, as a script in a process of its own: eSpeak NG is under the GPL and the core is not.

Standard input is a JSON list of utterances, each with text, voice, rate, pitch, range and volume. Standard output is
the sample rate and the number of recordings, and for each recording its size in bytes and its samples; all little
endian, numbers of 32 bits and samples of 16.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

# Of speak_lib.h.
SYNCHRONOUS = 2
DONT_EXIT = 0x8000
CHARACTER_POSITION = 1
UTF8 = 1
PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library, ready to speak.

    Args:
        library: path of the shared library.
        home: folder that holds `espeak-ng-data`.
    """

    def __init__(self, library: str, home: Path) -> None:
        self._library = ctypes.CDLL(library)
        self._parts: list[bytes] = []
        self._callback = CALLBACK(self._take)  # kept, since the library holds no reference to it
        self._voice = ""
        self.sample_rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, str(home).encode(), DONT_EXIT)
        if self.sample_rate <= 0:
            sys.exit("eSpeak NG cannot read its data.")
        self._library.espeak_SetSynthCallback(self._callback)
        # Breath is made of random numbers, its own, which start with the time, and the C library's.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        ctypes.CDLL(None).srand(1)

    def say(self, utterance: dict[str, Any]) -> bytes:
        """Returns the samples of an utterance."""
        voice: str = utterance["voice"]
        if voice != self._voice and self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            sys.exit(f"eSpeak NG has no voice '{voice}'.")
        self._voice = voice
        for name, number in PARAMETERS.items():
            self._library.espeak_SetParameter(number, utterance[name], 0)
        text = f"{utterance['text']}\0".encode()
        self._parts.clear()
        size = ctypes.c_size_t(len(text))
        if self._library.espeak_Synth(text, size, 0, CHARACTER_POSITION, 0, UTF8, None, None) != 0:
            sys.exit(f"eSpeak NG cannot say '{utterance['text']}'.")
        if not self._parts:
            sys.exit(f"eSpeak NG makes no sound of '{utterance['text']}'.")
        return b"".join(self._parts)

    def _take(self, samples: int | None, count: int, events: int | None) -> int:
        if samples and count > 0:
            self._parts.append(ctypes.string_at(samples, 2 * count))
        return 0


def main() -> None:
    """Speaks what standard input asks for."""
    utterances: list[dict[str, Any]] = json.load(sys.stdin)
    loader: Any = importlib.import_module("espeakng_loader")
    with tempfile.TemporaryDirectory() as home:
        # eSpeak NG has 160 bytes for the path of its data, and many an environment lies deeper.
        (Path(home) / "espeak-ng-data").symlink_to(Path(loader.get_data_path()).resolve())
        espeak = Espeak(str(loader.get_library_path()), Path(home))
        recordings = [espeak.say(utterance) for utterance in utterances]
    output = sys.stdout.buffer
    output.write(struct.pack("<II", espeak.sample_rate, len(recordings)))
    for recording in recordings:
        output.write(struct.pack("<I", len(recording)) + recording)


if __name__ == "__main__":
    main()
