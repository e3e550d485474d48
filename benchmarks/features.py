"""The features in which samples are compared: those of a small classifier that is trained on the set itself.

It is trained once for each set and kept in `benchmarks/results/cache`, so that all systems, and all later runs on the
same machine, are measured by the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.harness import CACHE

WIDTH = 128
BATCH = 128
EPOCHS = 4
QUICK = 1500  # pictures
VERSION = b"1"  # of the network and its training; another makes kept classifiers anew


class Classifier(nn.Module):
    """Two convolutional stages and a dense layer, whose activations are the features.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 49, WIDTH), nn.ReLU()),
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(WIDTH, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    @torch.inference_mode()
    def features(self, pixels: Tensor) -> np.ndarray:
        """Returns the features of uint8 pictures (N, 1, 28, 28), shape (N, 128)."""
        self.eval()
        return np.concatenate([self.body(part.float() / 255).numpy() for part in pixels.split(500)])

    @property
    def digest(self) -> str:
        """Stands for its weights: figures of different classifiers cannot be compared."""
        return weights_digest(self.state_dict().values())

    @torch.inference_mode()
    def accuracy(self, pixels: Tensor, labels: Tensor) -> float:
        """Returns the share of pictures whose class is recognised."""
        self.eval()
        found = torch.cat([self(part.float() / 255).argmax(1) for part in pixels.split(500)])
        return (found == labels).float().mean().item()


def weights_digest(weights: Iterable[Tensor]) -> str:
    """Returns a short name of weights."""
    state = hashlib.blake2b(digest_size=4)
    for weight in weights:
        state.update(weight.numpy().tobytes())
    return state.hexdigest()


def classifier(
    name: str, pixels: Tensor, labels: Tensor, *, quick: bool = False, folder: Path | None = None
) -> Classifier:
    """Returns the classifier of a set; it is trained where it is not kept yet.

    Args:
        name: of the set.
        pixels: uint8 training pictures (N, 1, 28, 28).
        labels: their classes, shape (N,).
        quick: whether it is trained on few of them only, and kept apart.
        folder: where it is kept; a cache beside the results if None.
    """
    part, epochs = (QUICK, 1) if quick else (len(pixels), EPOCHS)
    folder = folder or (CACHE / "quick" if quick else CACHE)
    known = pixels[:part].numpy().tobytes() + labels[:part].numpy().tobytes() + VERSION
    content = hashlib.blake2b(known, digest_size=4).hexdigest()
    path = folder / f"classifier-{name}-{content}-{epochs}.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier(int(labels.max()) + 1)
        if path.exists():
            model.load_state_dict(load_file(path))
            return model.eval()
        _train(model, pixels[:part], labels[:part], epochs)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), path)
    return model.eval()


def _train(model: Classifier, pixels: Tensor, labels: Tensor, epochs: int) -> None:
    steps = epochs * (len(pixels) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for rows in _batches(len(pixels), epochs):
        loss = F.cross_entropy(model(pixels[rows].float() / 255), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _batches(n: int, epochs: int) -> Iterator[Tensor]:
    for _ in range(epochs):
        order = torch.randperm(n)
        yield from (order[start : start + BATCH] for start in range(0, n - BATCH + 1, BATCH))
