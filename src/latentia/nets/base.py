"""What networks have in common: registries and the interfaces of encoders and decoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentia.registry import Registry

Shape = tuple[int, ...]
SURFACES = 3  # through what is given of a picture, from which a conditional decoder begins


class Encoder(nn.Module, ABC):
    """Maps examples to features.

    Attributes:
        features: width of the result.
    """

    features: int

    @abstractmethod
    def forward(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Encodes.

        Args:
            x: examples, shape (N, *event_shape).
            observed: True where `x` was seen, broadcastable to `x`; None where all of it was.

        Returns:
            Features, shape (N, features).
        """


class Centred(nn.Module, ABC):
    """What decoders of all kinds have in common.

    Attributes:
        offset: learned parameters that are added for every example (at every position of a sequence), shape
            (*out_shape); training starts them at the mean of the data. None in decoders that do without.
    """

    offset: nn.Parameter | None

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("offset", None)

    @torch.no_grad()
    def start_at(self, parameters: Tensor | None) -> None:
        """Puts the offset where a likelihood is centred on the data; None where it has no such thing."""
        if self.offset is not None and parameters is not None:
            self.offset.copy_(parameters)


class Decoder(Centred):
    """Maps latents to the parameters of a likelihood."""

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Decodes.

        Args:
            z: latents, shape (N, latent_dim).

        Returns:
            Parameters, shape (N, *out_shape).
        """


@dataclass(frozen=True)
class Context:
    """What a network sees in the part of some examples that is given.

    Attributes:
        features: of each example as a whole, shape (N, features).
        maps: of its places, at one resolution after the other, the finest first, each of shape (N, width, H, W).
    """

    features: Tensor
    maps: tuple[Tensor, ...]


class ConditionalDecoder(Centred):
    """Maps latents, and the part of an example that is given, to the parameters of a likelihood of the rest.

    Attributes:
        event_shape: shape of one example.
        features: size of the features of what is given.
    """

    event_shape: Shape
    features: int

    @abstractmethod
    def look(self, x: Tensor, given: Tensor, noise: Tensor, guess: Tensor, surfaces: Tensor) -> Context:
        """Looks at what is given; once for all latents.

        Args:
            x: pictures, shape (N, C, H, W); what is not given may be anything.
            given: True where `x` is given, shape (N, 1, H, W).
            noise: standard deviation of the noise on what is given, broadcastable to `given`.
            guess: what the pictures may be as a whole, shape (N, C, H, W).
            surfaces: through what is given, shape (SURFACES, N, C, H, W).
        """

    @abstractmethod
    def forward(self, z: Tensor, context: Context, change: Tensor) -> tuple[Tensor, Tensor]:
        """Decodes.

        Args:
            z: latents, shape (K, N, latent_dim).
            context: of N examples, or of one for all of them.
            change: what the latents change of the pictures at first sight, shape (K, N, C, H, W).

        Returns:
            Parameters, shape (K, N, *out_shape), as a change of a mean of the surfaces; and the logarithms of what each
            of these counts for in it, shape (K, N, SURFACES, H, W).
        """


class SequenceEncoder(nn.Module, ABC):
    """Maps sequences to features of groups of positions, and of the whole.

    Attributes:
        features: width of both results.
        stride: positions in a group.
    """

    features: int
    stride: int

    @abstractmethod
    def forward(self, x: Tensor, lengths: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encodes; what lies behind the end of a sequence has no influence.

        Args:
            x: sequences, shape (N, T, F).
            lengths: valid positions, shape (N,), each at least 1 and at most T.
            observed: True where `x` was seen, broadcastable to `x`; None where all of it was.

        Returns:
            Features of groups, shape (N, G, features) with G = ceil(T / stride); and of the whole, (N, features).
        """

    @torch.no_grad()
    def start_at(self, x: Tensor, lengths: Tensor) -> Tensor | None:
        """Looks at some data before the training, to bring them into a range that networks like.

        Returns:
            Axes, shape (features, stride * F), where features start as linear functions of the positions of a group:
            about the data's mean, positions are close to the features times these axes. None where they do not.
        """
        return None


class SequenceDecoder(Centred):
    """Maps latents of groups and of the whole to the parameters of a likelihood of each position.

    Attributes:
        stride: positions in a group.
    """

    stride: int

    @abstractmethod
    def forward(self, code: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
        """Decodes; what lies behind the end of a sequence has no influence.

        Args:
            code: latents of the whole, shape (N, latent_dim).
            frames: latents of groups, shape (N, G, frame_dim).
            lengths: valid positions, shape (N,), each at most G * stride.

        Returns:
            Parameters, shape (N, max(lengths), *out_shape).
        """

    @torch.no_grad()
    def start_along(self, code_axes: Tensor, frame_axes: Tensor) -> None:
        """Starts as a linear function of the latents, where a decoder can.

        Args:
            code_axes: what a unit of each latent of the whole adds to the positions of every group, shape (latent_dim,
                stride * F).
            frame_axes: what a unit of each latent of a group adds to its positions, shape (frame_dim, stride * F).
        """


class LadderEncoder(nn.Module, ABC):
    """Maps pictures to features at several resolutions, on the way up a ladder of latents.

    Attributes:
        features: width of the features of a picture as a whole.
        levels: shapes (C, H, W) of the features at each resolution, coarsest first.
    """

    features: int
    levels: tuple[Shape, ...]

    @abstractmethod
    def forward(self, x: Tensor, observed: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Encodes.

        Args:
            x: pictures, shape (N, C, H, W).
            observed: True where `x` was seen, broadcastable to `x`; None where all of it was.

        Returns:
            Features of the whole, shape (N, features); and of each level, (N, *level), coarsest first.
        """


class LadderDecoder(Centred):
    """Maps latents to the parameters of a likelihood, on the way down a ladder: one group of them after the other.

    Between two groups stands a state (N, C, H, W), all that those above have to say to those below.

    Attributes:
        shapes: (C, H, W) of the latents of each group below the code of the whole, coarsest first.
        features: width of what `meet` returns, for each of these groups.
    """

    shapes: tuple[Shape, ...]
    features: tuple[int, ...]

    @abstractmethod
    def start(self, code: Tensor) -> Tensor:
        """Returns the state above the first group, of codes (N, latent_dim)."""

    @abstractmethod
    def meet(self, group: int, state: Tensor, levels: list[Tensor]) -> Tensor:
        """Brings together what comes from above and from below, for the posterior of a group.

        Args:
            group: its number, from 0.
            state: above it, shape (K * N, C, H, W).
            levels: what a `LadderEncoder` returned, of N examples.

        Returns:
            Shape (K * N, features, H, W).
        """

    @abstractmethod
    def descend(self, group: int, state: Tensor, latents: Tensor) -> Tensor:
        """Returns the state above the next group.

        Args:
            group: number of the one that is passed.
            state: above it.
            latents: its own, shape (N, *shapes[group]): deviations from what is expected, in units of its scale.
        """

    @abstractmethod
    def finish(self, state: Tensor) -> Tensor:
        """Returns the parameters, shape (N, *out_shape), of the state below the last group."""


ENCODERS: Registry[Encoder] = Registry("encoder", Encoder)
DECODERS: Registry[Decoder] = Registry("decoder", Decoder)
CONDITIONAL_DECODERS: Registry[ConditionalDecoder] = Registry("conditional decoder", ConditionalDecoder)
SEQUENCE_ENCODERS: Registry[SequenceEncoder] = Registry("encoder of sequences", SequenceEncoder)
SEQUENCE_DECODERS: Registry[SequenceDecoder] = Registry("decoder of sequences", SequenceDecoder)
LADDER_ENCODERS: Registry[LadderEncoder] = Registry("encoder of a ladder", LadderEncoder)
LADDER_DECODERS: Registry[LadderDecoder] = Registry("decoder of a ladder", LadderDecoder)


def he_initialise(network: nn.Module) -> None:
    """Draws all weights so that activations keep their size behind ReLUs (He et al., 2015, arXiv:1502.01852).

    PyTorch's own start shrinks them in every layer; without normalisation a deep encoder would then begin with
    latents that say nothing, and the posterior collapses before the decoder has learned to read them.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
                nn.init.zeros_(layer.bias)


def zero_initialise(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> None:
    """Sets a layer to zero: a branch that starts as nothing, a head that starts without noise."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
        nn.init.zeros_(layer.bias)


def network_input(x: Tensor, observed: Tensor | None) -> Tensor:
    """Brings examples into the range that networks like, and hides what was not observed.

    Images in [0, 1] go to [-1, 1]; vectors come standardised. What is hidden becomes 0, whatever its value
    was (NaN included).
    """
    centred = x * 2 - 1 if x.dim() == 4 else x
    return centred if observed is None else torch.where(observed, centred, torch.zeros_like(centred))
