"""The settings of Pythae's models that are best on held-out training pictures, for all benchmarks that train them.

Those ask for a choice when they come to a model, and what was tried once is kept: here for all of them.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import mnist
from benchmarks.baselines.pythae_peers import BINARY, Choice, Peer, eight_bit
from benchmarks.baselines.pythae_tuning import tuned
from benchmarks.harness import Options, Results, parse
from benchmarks.picture_sets import to_train_on

NAME = "pythae_settings"
PROTOCOL = (
    "Trials of Pythae 0.1.2's models on held-out training pictures: negative log likelihood by importance sampling, "
    "10 draws, of 200 pictures. Networks are its default, those that it ships for MNIST and CIFAR and the gated one "
    "of its script of VAMP; settings are those of its scripts. Learning rates from 1e-3 to 1e-4, and beyond while an "
    "end is best, are tried for a minute with each network; the two best networks, and all settings of the better, "
    "for a quarter of the 15 minutes (binary MNIST) or 8 minutes (8-bit sets) that `density` trains for. `density` "
    "and `samples` take what is best; a training that diverges is worth a million nats."
)
EIGHT_BIT = ("cifar10-part", "fashion-mnist", "omniglot-small")
MINUTES_OF_DIGITS, MINUTES_OF_EIGHT_BIT = 15.0, 8.0
QUICK = 10  # held-out pictures of a quick run


def open_trials(options: Options) -> Results:
    """Opens what was tried on this machine, for a benchmark; what that is told to forget is its own."""
    return _of_this_machine(replace(options, fresh=False, again=()))


def _of_this_machine(options: Options) -> Results:
    """Opens what was tried; which network learns most in a minute depends on the machine."""
    trials = Results(NAME, PROTOCOL, options)
    trials.forget_other_machines()
    return trials


def for_digits(trials: Results, peer: Peer) -> Choice:
    """Returns what suits one of the models on binary MNIST, after trials where there were none."""
    options = trials.options
    held_out = mnist.held_out(options)[: QUICK if options.quick else None]
    return tuned(trials, peer, mnist.images_to_train_on(options), held_out, "binary MNIST", MINUTES_OF_DIGITS)


def for_eight_bit(trials: Results, name: str) -> Choice:
    """Returns what suits the VAE on a set of 8-bit pictures, after trials where there were none."""
    train, held_out = to_train_on(name, trials.options.mirror)
    known = held_out[: QUICK if trials.options.quick else None].float() / 255
    return tuned(trials, eight_bit(tuple(train.shape[1:])), train, known, name, MINUTES_OF_EIGHT_BIT)


def main(options: Options) -> None:
    """Makes all trials that are missing."""
    trials = _of_this_machine(options)
    for peer in BINARY[: 1 if options.quick else None]:
        for_digits(trials, peer)
    for name in EIGHT_BIT[: 1 if options.quick else None]:
        for_eight_bit(trials, name)
    trials.finish([])


if __name__ == "__main__":
    main(parse(__doc__))
