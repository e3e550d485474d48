"""Training speed beside Pythae's MNIST ConvVAE, share of the matrix rate, and times to import and start."""

from __future__ import annotations

import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cpu, mnist, ours
from benchmarks.baselines import pythae_vae
from benchmarks.harness import Key, Options, Results, Row, floor_and_goal, parse
from benchmarks.rebuilt import RebuiltVAE
from latentia.core import Batch
from latentia.hardware import tuned_cpu
from latentia.training.fit import fit

PROTOCOL = (
    "Training images per second on MNIST, dynamically binarised: Pythae 0.1.2's ConvVAE in its own trainer and the "
    "same layers rebuilt on matrix products in a step like ours, each with its fastest batch of 64 to 256, and our "
    "preset in our trainer with the batch that it trains with; warm-up steps do not count. One after another, each in "
    "a process of its own, in alternating rounds, medians and standard deviations over rounds; the matrix rate is that "
    "of 2048x2048 products, bf16 where the CPU has it, else float32. Import and --help: median of 7 warm processes."
)
PYTHAE = Key("Pythae 0.1.2 ConvVAE, own trainer", "training speed")
REBUILT = Key("Pythae's layers, rebuilt", "training speed")
PRESET = Key("Latentia, default MNIST preset", "training speed")
MATRIX = Key("matrix product 2048", "rate")
SHARE = Key("Latentia, default MNIST preset", "share of the matrix rate")
IMPORT = Key("import latentia", "wall clock")
HELP = Key("latentia --help", "wall clock")
BATCHES = (64, 100, 128, 256)
WARM_UP = 2


def pythae_speed(options: Options, batch_size: int, steps: int) -> float:
    """Returns training images per second of Pythae in its own trainer."""
    return pythae_vae.training_speed(mnist.images(options, "train"), batch_size, steps, seed=options.seed)


def rebuilt_speed(options: Options, batch_size: int, steps: int) -> float:
    """Returns training images per second of the rebuilt network in a step like ours."""
    pixels = mnist.images(options, "train")
    torch.manual_seed(options.seed)
    model = RebuiltVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=pythae_vae.LEARNING_RATE, fused=True)
    stamps: list[float] = []
    with tuned_cpu():
        for _ in range(WARM_UP + steps):
            x = mnist.binarised(pixels[torch.randint(len(pixels), (batch_size,))])
            with cpu.autocast():
                loss = model.loss(x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            stamps.append(time.perf_counter())
    return steps * batch_size / (stamps[-1] - stamps[WARM_UP - 1])


def preset_speed(options: Options, batch_size: int, steps: int) -> float:
    """Returns training images per second of our preset in our trainer."""
    watch = ours.Stopwatch(WARM_UP + steps)
    fit(ours.prepare_mnist(options), callbacks=[watch])
    counted = len(watch.stamps) - WARM_UP  # small sets end before
    return counted * batch_size / (watch.stamps[-1] - watch.stamps[WARM_UP - 1])


def operations_per_image(options: Options) -> float:
    """Returns the operations of one training step for one image: forward and backward of the preset's model."""
    training = ours.prepare_mnist(options)
    batch = Batch(torch.zeros(16, 1, 28, 28))
    with FlopCounterMode(display=False) as counter:
        terms = training.objective(training.model.infer(batch), batch)
        terms.loss.mean().backward()
    return counter.get_total_flops() / len(batch)


def training_rows(options: Options) -> Iterator[Row]:
    """Measures all training speeds in alternating rounds, each in a process of its own."""
    rounds = 1 if options.quick else 5
    systems = {PYTHAE: (pythae_speed, 3, 12), REBUILT: (rebuilt_speed, 3, 12), PRESET: (preset_speed, 20, 150)}
    batches = {PRESET: ours.prepare_mnist(options).config.training.batch_size}
    for key in (PYTHAE, REBUILT):
        function, few, _ = systems[key]
        batches[key] = 128 if options.quick else _best_batch(function, options, few)
    speeds: dict[Key, list[float]] = {key: [] for key in (*systems, MATRIX)}
    for _ in range(rounds):
        for key, (function, few, many) in systems.items():
            steps = few if options.quick else many
            speeds[key].append(in_own_process(function, options, batches[key], steps))
        speeds[MATRIX].append(in_own_process(cpu.matrix_rate))
    for key in systems:
        yield _row(key, speeds[key], "images/s", batch_size=batches[key])
    precision = "bf16" if cpu.native_bf16() else "float32"
    yield _row(MATRIX, speeds[MATRIX], "operations/s", precision=precision)
    operations = operations_per_image(options)
    shares = [100 * speed * operations / rate for speed, rate in zip(speeds[PRESET], speeds[MATRIX], strict=True)]
    yield _row(SHARE, shares, "%", precision=precision, operations_per_image=operations)


def in_own_process(function: Callable[..., float], *arguments: object) -> float:
    """Calls a function in a fresh process, so that no system's settings or memory touch another's."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def _best_batch(function: Callable[..., float], options: Options, steps: int) -> int:
    return max(BATCHES, key=lambda size: in_own_process(function, options, size, steps))


def process_rows(options: Options) -> Iterator[Row]:
    """Measures the time to import and the time to help."""
    repetitions = 3 if options.quick else 7
    yield _row(IMPORT, _processes(["-c", "import latentia"], repetitions), "s")
    yield _row(HELP, _processes(["-m", "latentia", "--help"], repetitions), "s")


def _processes(arguments: Sequence[str], repetitions: int) -> list[float]:
    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.perf_counter() - start

    return [once() for _ in range(repetitions + 1)][1:]


def _row(key: Key, values: Sequence[float], unit: str, **details: object) -> Row:
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Row(key, statistics.median(values), unit, spread=spread, values=tuple(values), details=details)


def main(options: Options) -> None:
    """Runs the benchmark."""
    results = Results("speed", PROTOCOL, options)
    measurements: list[tuple[list[Key], Callable[[Options], Iterator[Row]]]] = [
        ([PYTHAE, REBUILT, PRESET, MATRIX, SHARE], training_rows),
        ([IMPORT, HELP], process_rows),
    ]
    for keys, function in measurements:
        results.measure(keys, lambda function=function: function(options))
    peer = "Pythae 0.1.2's MNIST ConvVAE with its own trainer, measured in the same run"
    results.finish(
        [
            *floor_and_goal(
                "training images/s, our MNIST preset : Pythae",
                results.ratio(PRESET, PYTHAE),
                floor=12,
                goal=25,
                source=peer,
                higher_is_better=True,
            ),
            *floor_and_goal(
                "training images/s, the same network : Pythae",
                results.ratio(REBUILT, PYTHAE),
                floor=1.5,
                goal=2.5,
                source=peer,
                higher_is_better=True,
            ),
            *floor_and_goal(
                "share of this CPU's matrix rate in training, %",
                results.value(SHARE),
                floor=None,
                goal=50,
                source="2048x2048 matrix products, measured in the same run",
                higher_is_better=True,
            ),
            *floor_and_goal(
                "import latentia, s",
                results.value(IMPORT),
                floor=0.5,
                goal=0.2,
                source="set for this project",
                higher_is_better=False,
            ),
            *floor_and_goal(
                "latentia --help, s",
                results.value(HELP),
                floor=1.0,
                goal=0.5,
                source="set for this project",
                higher_is_better=False,
            ),
        ]
    )


if __name__ == "__main__":
    main(parse(__doc__))
