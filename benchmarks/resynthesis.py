"""How much of a recording comes back: the model, PCA at the same size, the vocoder alone, and Griffin-Lim."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from benchmarks.harness import Claim, Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.speech_metrics import pesq_nb, pesq_wb, stoi, summary
from benchmarks.speech_training import fsdd_test, librispeech_test, training_source
from latentia.core import Batch
from latentia.data import Dataset, FrontEnd, Ragged, prepare
from latentia.data.audio import resample
from latentia.evaluation import evaluate
from latentia.metrics import mel_cepstral_distortion
from latentia.models import VOCODERS
from latentia.presets import resolve
from latentia.runs import TrainedModel
from latentia.tasks import reconstruct, sound
from latentia.training.fit import fit, prepare_training

PROTOCOL = (
    "The `speech` preset, with beta 2.6 to stay under 2 kbit/s, trained for at most 20 minutes on the training splits "
    "of LibriSpeech, Speech Commands, Arabic digits and five speakers of FSDD. Tested on speakers that no part has "
    "seen: LibriSpeech test-other, pieces of 4 s; FSDD clips of the sixth speaker joined to 3 s, resampled to 16 kHz, "
    "scored at 8 kHz. Only features are handed on, phases are always reconstructed. PCA keeps as many exact numbers a "
    "second as the model has latents of frames; the linear code is the linear Gaussian VAE of the same groups (reverse "
    "water-filling) at the model's rate, both measured as KL on the test recordings and decoded from posterior means. "
    "Real-time factors are of one core."
)
MINUTES = 18.0  # the priors' last steps come on top
BETA = 2.6  # the preset's own, 1, takes more bits
RATE = 16_000
Waveform = NDArray[Any]
LIBRI, FSDD = "LibriSpeech test-other", "FSDD, held-out speaker"
OURS, CEILING = "Latentia, speech preset", "true features, our vocoder"
GRIFFIN_LIM, COMPONENTS = "true features, Griffin-Lim", "PCA at the same size, our vocoder"
LINEAR_CODE = "linear Gaussian code at the model's rate, our vocoder"
SYSTEMS = (CEILING, GRIFFIN_LIM, OURS, COMPONENTS, LINEAR_CODE)
LINEAR = 400  # components of the linear code; the rest is below its noise
RATE_ROW = Key(OURS, "rate, bits/s", LIBRI)
FACTOR = "real-time factor on one core"


@dataclass(frozen=True)
class TestSet:
    """Recordings to measure on.

    Attributes:
        name: of the set.
        references: true waveforms, at the rate of the score.
        rate: of the score, Hz.
        dataset: the same at the model's rate, as its data set.
    """

    name: str
    references: Sequence[Waveform]
    rate: int
    dataset: Dataset


def pesq_name(rate: int) -> str:
    """Returns the metric that PESQ has at a rate."""
    return "PESQ-WB" if rate == RATE else "PESQ-NB"


def keys(test: str, rate: int) -> list[Key]:
    """Returns the keys of all scores of a test set."""
    metrics = ("STOI", pesq_name(rate), "mel-cepstral distortion")
    return [Key(system, metric, test) for system in SYSTEMS for metric in metrics]


def trained_model(options: Options) -> tuple[TrainedModel, float]:
    """Trains the preset, and returns the seconds that it took."""
    source = training_source(options.mirror)
    minutes = 0.5 if options.quick else MINUTES
    training = {"seed": options.seed, "max_minutes": minutes}
    settings = {"training": training, "objective": {"beta": BETA}, "data": {"sample_rate": RATE}}
    config, form = resolve(source, "speech", settings)
    start = time.perf_counter()
    trained = fit(prepare_training(source.load(form), form, config, name=source.name)).trained
    return trained, time.perf_counter() - start


def test_sets(trained: TrainedModel, options: Options) -> list[TestSet]:
    """Reads the recordings that are tested on."""
    mirror, most = options.mirror, 4 if options.quick else None
    libri = librispeech_test(mirror)[:most]
    fsdd = list(fsdd_test(mirror))[:most]
    return [
        TestSet(LIBRI, libri, RATE, _dataset(trained, libri)),
        TestSet(FSDD, [own for own, _ in fsdd], 8_000, _dataset(trained, [wave for _, wave in fsdd])),
    ]


def rows(options: Options) -> Iterator[Row]:
    """Trains once, and scores all systems on all sets."""
    trained, seconds = trained_model(options)
    front = trained.preprocessing.front_end
    griffin_lim = VOCODERS.build("griffin-lim", {}, front_end=front)
    linear = linear_code(trained, options)
    for test in test_sets(trained, options):
        pair = reconstruct(trained, test.dataset)
        metrics = evaluate(trained, test.dataset)
        bits = metrics.bits_per_second or math.nan
        made: dict[str, tuple[Batch, Callable[[Batch], list[Waveform]]]] = {
            CEILING: (pair.original, lambda batch: sound(trained, batch)),
            GRIFFIN_LIM: (pair.original, lambda batch: _through(griffin_lim, batch, front)),
            OURS: (pair.mean, lambda batch: sound(trained, batch)),
            COMPONENTS: (
                linear.of_size(trained.config.model.frame_dim, pair.original),
                lambda batch: sound(trained, batch),
            ),
            LINEAR_CODE: (linear.at_rate(bits, pair.original), lambda batch: sound(trained, batch)),
        }
        for system, (features, vocoder) in made.items():
            yield from _scores(system, test, pair.original, features, vocoder(features))
        if test.name == LIBRI:
            details = {"nats": metrics.rate_nats, "active_units": metrics.active_units, "training_seconds": seconds}
            yield Row(RATE_ROW, bits, "bits/s", details=details)


def _dataset(trained: TrainedModel, waves: Sequence[Waveform]) -> Dataset:
    form: Any = trained.preprocessing
    pieces = [form.apply(np.asarray(wave, np.float32)) for wave in waves]
    store = Ragged.of([np.concatenate(parts) for parts, _ in pieces])
    gains = np.array([gain for _, gain in pieces], np.float32)
    return Dataset(store, lengths=store.lengths, gains=gains)


def _through(vocoder: torch.nn.Module, batch: Batch, front: FrontEnd) -> list[Waveform]:
    waves = vocoder(batch.x, batch.lengths).numpy()
    return [wave[: front.hop * length] for wave, length in zip(waves, batch.lengths.tolist(), strict=True)]


@dataclass(frozen=True)
class LinearCode:
    """Principal components of groups of frames.

    Attributes:
        analysis: scikit-learn's PCA, fitted to the training recordings.
        stride: frames in a group.
        groups_per_second: of them.
    """

    analysis: PCA
    stride: int
    groups_per_second: float

    def of_size(self, components: int, batch: Batch) -> Batch:
        """Keeps so many numbers of each group, as exact as they are."""
        return self._project(batch, (np.arange(len(self.analysis.explained_variance_)) < components).astype(float))

    def at_rate(self, bits_per_second: float, batch: Batch) -> Batch:
        """Keeps the means of the posteriors of a linear Gaussian VAE of a rate (reverse water-filling)."""
        groups = [_groups(batch.sequence(row), self.stride) for row in range(len(batch))]
        energies = np.square(self.analysis.transform(np.concatenate(groups))).mean(0)
        low, high = 1e-9, float(self.analysis.explained_variance_[0])
        for _ in range(60):
            level = math.sqrt(low * high)
            bits = self._nats(energies, level) / math.log(2) * self.groups_per_second
            low, high = (level, high) if bits > bits_per_second else (low, level)
        return self._project(batch, self._shares(level))

    def _shares(self, level: float) -> NDArray[np.float64]:
        """Returns the share of each component's variance that is told where a level of it may be left over."""
        return np.maximum(1 - level / self.analysis.explained_variance_, 0)

    def _nats(self, energies: NDArray[np.float64], level: float) -> float:
        """Returns the mean KL divergence of a group's posterior from the prior, for components of such energies."""
        shares = self._shares(level)
        means = shares * energies / self.analysis.explained_variance_
        return float(0.5 * (means - shares - np.log1p(-shares)).sum())

    def _project(self, batch: Batch, weights: NDArray[np.float64]) -> Batch:
        made = torch.zeros_like(batch.x)
        for row, length in enumerate(batch.lengths.tolist()):
            kept = self.analysis.transform(_groups(batch.sequence(row), self.stride)) * weights
            back = self.analysis.inverse_transform(kept).reshape(-1, batch.x.shape[-1])
            made[row, :length] = torch.from_numpy(back[:length]).float()
        return Batch(made, lengths=batch.lengths)


def linear_code(trained: TrainedModel, options: Options) -> LinearCode:
    """Fits PCA to groups of frames of the training recordings, the model's groups."""
    stride = trained.model.stride
    dataset = training_source(options.mirror).load(trained.preprocessing)
    chosen = np.linspace(0, len(dataset) - 1, 200 if options.quick else 2500).round().astype(np.int64)
    groups = []
    for start in range(0, len(chosen), 100):
        batch = prepare(dataset.batch(chosen[start : start + 100]), trained.preprocessing)
        groups += [_groups(batch.sequence(row), stride) for row in range(len(batch))]
    seen = np.concatenate(groups)
    analysis = PCA(min(LINEAR, *seen.shape), random_state=0).fit(seen)
    return LinearCode(analysis, stride, trained.speech.front_end.frames_per_second / stride)


def _groups(features: torch.Tensor, stride: int) -> NDArray[np.float32]:
    """Puts frames (T, F) into groups (G, stride * F); the last one is filled up with its last frame."""
    missing = -len(features) % stride
    whole = torch.cat([features, features[-1:].expand(missing, -1)])
    return whole.reshape(-1, stride * features.shape[1]).numpy()


def _scores(system: str, test: TestSet, true: Batch, made: Batch, waves: Sequence[Waveform]) -> Iterator[Row]:
    gains = test.dataset.gains
    pairs = []
    for number, reference in enumerate(test.references):
        wave = waves[number] / gains[number]
        pairs.append((reference, resample(wave, RATE, test.rate)[: len(reference)]))
    score = pesq_wb if test.rate == RATE else pesq_nb
    for metric, function in (("STOI", stoi), (pesq_name(test.rate), score)):
        values = [function(reference, wave, test.rate) for reference, wave in pairs]
        mean, details = summary(values)
        yield Row(Key(system, metric, test.name), mean, "", spread=float(np.nanstd(values)), details=details)
    distances = [
        mel_cepstral_distortion(true.sequence(row).numpy(), made.sequence(row).numpy()) for row in range(len(pairs))
    ]
    yield Row(Key(system, "mel-cepstral distortion", test.name), float(np.mean(distances)), "dB")


def vocoder_rows(options: Options) -> Iterator[Row]:
    """Measures the time of the vocoders on one core, each in a process of its own."""
    for system, name in ((CEILING, "phase-gradient"), (GRIFFIN_LIM, "griffin-lim")):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            factor = pool.submit(_real_time_factor, name, options.mirror).result()
        yield Row(Key(system, FACTOR), factor, "seconds of work a second of sound")


def _real_time_factor(name: str, mirror: Path | None) -> float:
    from latentia.config import Part
    from latentia.models import build_vocoder

    torch.set_num_threads(1)
    front = FrontEnd()
    vocoder = build_vocoder(Part(name=name), front)
    waves = [torch.from_numpy(np.asarray(wave)) for wave in librispeech_test(mirror)[:8]]
    features = [front.features(wave[None]) for wave in waves]
    vocoder(*features[0])
    start = time.perf_counter()
    for item in features:
        vocoder(*item)
    return (time.perf_counter() - start) / (sum(len(wave) for wave in waves) / RATE)


def claims(results: Results) -> list[Claim]:
    """Returns the claims of the issue."""
    quality = {system: results.value(Key(system, "PESQ-WB", LIBRI)) for system in SYSTEMS}
    bits, gap = results.value(RATE_ROW), None
    if quality[CEILING] is not None and quality[OURS] is not None:
        gap = quality[CEILING] - quality[OURS]
    affordable = gap if bits is not None and bits < 2000 else None
    ahead = None
    if quality[CEILING] is not None and quality[GRIFFIN_LIM] is not None:
        ahead = quality[CEILING] - quality[GRIFFIN_LIM]
    source = "set for this project"

    def claim(text: str, ours: float | None, floor: float | None, goal: float | None, higher: bool) -> list[Claim]:
        return floor_and_goal(text, ours, floor=floor, goal=goal, source=source, higher_is_better=higher)

    goal_only = claim("PESQ-WB below the ceiling, at under 2 kbit/s", affordable, None, 0.3, False)[1:]
    return [
        *claim("STOI, LibriSpeech test-other", results.value(Key(OURS, "STOI", LIBRI)), 0.80, None, True),
        *claim("PESQ-WB, LibriSpeech test-other", quality[OURS], 1.7, None, True),
        *goal_only,
        *claim("vocoder on true features: PESQ-WB above Griffin-Lim's", ahead, 0.0, None, True),
        *claim("vocoder on true features: PESQ-WB", quality[CEILING], None, 3.2, True)[1:],
        *claim("vocoder: real-time factor on one core", results.value(Key(CEILING, FACTOR)), 0.2, 0.05, False),
    ]


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("resynthesis", PROTOCOL, options)
    results.measure([Key(system, FACTOR) for system in (CEILING, GRIFFIN_LIM)], lambda: vocoder_rows(options))
    wanted = [*keys(LIBRI, RATE), *keys(FSDD, 8_000), RATE_ROW]
    results.measure(wanted, lambda: rows(options))
    results.finish(claims(results))


if __name__ == "__main__":
    main(parse(__doc__))
