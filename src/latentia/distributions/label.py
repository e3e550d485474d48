"""Distributions of the class of an example: a latent that is one-hot."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import OneHotCategorical, OneHotCategoricalStraightThrough

from latentia.distributions.base import full_precision
from latentia.nets.base import zero_initialise


class LabelPrior(nn.Module):
    """The probabilities of the classes, p(y): learned, from the frequencies in the data on.

    Args:
        classes: number of classes.

    Example:
        >>> prior = LabelPrior(2)
        >>> prior.start_at(torch.tensor([0, 0, 0, 0, -1, 1]))
        >>> prior().probs.detach()
        tensor([0.7143, 0.2857])
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.logits = nn.Parameter(torch.zeros(classes))

    def forward(self) -> OneHotCategorical:
        return OneHotCategorical(logits=self.logits, validate_args=False)

    @torch.no_grad()
    def start_at(self, labels: Tensor) -> None:
        """Takes the frequencies of known classes (those at least 0), each counted once more so that none is 0."""
        counts = torch.bincount(labels[labels >= 0], minlength=self.classes).to(self.logits)
        self.logits.copy_(torch.log((counts + 1) / (counts + 1).sum()))


class LabelPosterior(nn.Module):
    """Features to the probabilities of the classes, q(y|x): equal at first.

    Args:
        features: size of the encoder's features.
        classes: number of classes.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.classes = classes
        self.head = nn.Linear(features, classes)
        zero_initialise(self.head)

    def forward(self, features: Tensor) -> OneHotCategorical:
        return OneHotCategoricalStraightThrough(logits=full_precision(self.head(features)), validate_args=False)


def clamp(guess: OneHotCategorical, labels: Tensor) -> OneHotCategoricalStraightThrough:
    """Returns the posterior of a class that is known of some examples: all on the class there, the guess elsewhere.

    Its draws are one-hot, and the gradient passes through them as if they were the probabilities (straight-through;
    Bengio, Léonard and Courville, 2013, arXiv:1308.3432; of labels: Jang, Gu and Poole, 2017, arXiv:1611.01144).

    Args:
        guess: q(y|x), batch shape (N,).
        labels: known classes, shape (N,), -1 where unknown.

    Example:
        >>> guess = OneHotCategorical(probs=torch.tensor([[0.5, 0.5], [0.5, 0.5]]))
        >>> clamp(guess, torch.tensor([-1, 1])).probs
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])
    """
    guessed = guess.probs
    known = F.one_hot(labels.clamp_min(0), guessed.shape[-1]).to(guessed)
    probs = torch.where((labels >= 0)[:, None], known, guessed)
    return OneHotCategoricalStraightThrough(probs=probs, validate_args=False)
