"""The part of the demonstration about speech: a model of words spoken by eSpeak NG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from lightning.pytorch.callbacks import Callback

from latentia.data import Dataset, spread, write_recording
from latentia.evaluation import Listener
from latentia.evaluation.words import SURE
from latentia.files import make_folder, synthetic_tag
from latentia.report.blocks import Prose, Section, Table
from latentia.report.demo_training import prepare_named
from latentia.report.outputs import write_outputs
from latentia.report.page import report_page
from latentia.runs import RunFolder, TrainedModel
from latentia.tasks import encode, generate, interpolate, joined, reconstruct, sound, traverse

EPOCHS, PRIOR_STEPS = 10, 2000
LISTENED = 200
STEPS = 5
SHOWN = ("recordings", "samples", "voice", "map")
HEAD = "word"

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Understood:
    """How well a classifier of real recordings understands words.

    Attributes:
        real: accuracy on test recordings.
        vocoded: on their features through the vocoder alone.
        given_back: on reconstructions.
        real_sure: share of test recordings of which it is more than 90 % sure.
        sure: the same of new utterances.
        words: how many different words it hears in them.
    """

    real: float
    vocoded: float
    given_back: float
    real_sure: float
    sure: float
    words: int


def speech_sections(
    folder: Path, *, epochs: int = EPOCHS, announce: Announce, callbacks: Sequence[Callback] = ()
) -> tuple[Section, ...]:
    """Trains on spoken digits, writes sounds, and returns the sections of the report about them.

    Args:
        folder: where to; the run folder in it is `spoken-digits`.
        epochs: passes over the recordings.
        announce: is told, in words, what is done next.
        callbacks: Lightning's, for example a progress bar.

    Raises:
        MissingExtraError: eSpeak NG is not installed.
        FileError: the folder cannot be written.
        RunError: another demonstration is at work in the folder.
        KeyboardInterrupt: the training was interrupted.
    """
    run = RunFolder(folder / "spoken-digits")
    with run.locked():
        announce("Speaking digits with eSpeak NG")
        steps = PRIOR_STEPS * epochs // EPOCHS
        training = prepare_named("spoken-digits", {"epochs": epochs, "prior_steps": steps})
        train, test = training.prepared.dataset, training.test
        announce(f"Training a speech model on {len(train)} spoken digits")
        result = training.fit(run, callbacks)
        announce("Speaking, walking between recordings, listening to what comes back")
        trained = result.trained
        _write_sounds(folder, trained, test)
        which = "the test split of spoken-digits, by voices that the model never heard"
        metrics = write_outputs(run, trained, test, result.history, which=which)
        page = report_page(trained, test, metrics, result.history, which=which)
        shown = [section for section in page.sections if section.anchor in SHOWN]
        sections = [replace(part, anchor=f"speech-{part.anchor}", title=f"Speech: {part.title}") for part in shown]
        heard = listen(trained, train, test)
        return (words_section(heard, page.verdict), *sections)


def listen(trained: TrainedModel, train: Dataset, test: Dataset) -> Understood:
    """Measures how well the words in what a model makes are understood.

    Args:
        trained: the model.
        train: recordings with words, for the classifier.
        test: recordings with words by other speakers.
    """
    listener = Listener.fit(train, HEAD, trained.speech.sample_rate)
    rows = spread(np.arange(len(test)), LISTENED)
    labels = test.labels[HEAD][rows]
    pair = reconstruct(trained, test, rows)
    batch = test.batch(rows)
    real = [batch.sequence(row).numpy() for row in range(len(batch))]
    chances = listener.probabilities(sound(trained, generate(trained, LISTENED)))
    sure = chances.max(1) > SURE
    return Understood(
        real=listener.accuracy(real, labels),
        vocoded=listener.accuracy(sound(trained, pair.original), labels),
        given_back=listener.accuracy(sound(trained, pair.mean), labels),
        real_sure=float((listener.probabilities(real).max(1) > SURE).mean()),
        sure=float(sure.mean()),
        words=len(np.unique(chances[sure].argmax(1))),
    )


def words_section(heard: Understood, verdict: str) -> Section:
    """Says how well words are understood."""
    rows = (
        ("real recordings", f"{heard.real:.0%}", "the ceiling: words that are understood, by unknown voices"),
        ("features through the vocoder", f"{heard.vocoded:.0%}", "what the way from features to sound leaves of them"),
        ("given back by the model", f"{heard.given_back:.0%}", "what latents and vocoder together leave"),
        (
            "new utterances",
            f"{heard.sure:.0%}",
            f"of which it is over {SURE:.0%} sure ({heard.real_sure:.0%} of real ones); {heard.words} different words",
        ),
    )
    text = (
        f"A second model, of words spoken by eSpeak NG in many voices. {verdict} A small classifier (logistic "
        f"regression on spectrograms), fitted to recordings of other voices, listened to {LISTENED} words of each kind:"
    )
    return Section("speech", "Speech: are the words understood?", (Prose(text), Table(("", "Understood", ""), rows)))


def _write_sounds(folder: Path, trained: TrainedModel, test: Dataset) -> None:
    """Writes what each task makes as sounds of their own."""
    rate = trained.speech.sample_rate

    def write(name: str, waves: Sequence[np.ndarray], verb: str) -> None:
        write_recording(make_folder(folder / "sounds") / name, joined(waves, rate), rate, synthetic_tag(verb))

    rows = spread(np.arange(len(test)), STEPS)
    write("samples.wav", sound(trained, generate(trained, 2 * STEPS)), "generate")
    write("reconstruction.wav", sound(trained, reconstruct(trained, test, rows).mean), "reconstruct")
    ends = (int(rows[0]), int(rows[-1]))
    write("interpolation.wav", sound(trained, interpolate(trained, test, ends, steps=STEPS)), "interpolate")
    walked = traverse(trained, encode(trained, test), n_latents=1, steps=STEPS)
    write("traversal.wav", sound(trained, walked.frames), "traverse")
