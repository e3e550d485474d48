"""Convolutional and recurrent networks for sequences, in which what lies behind an end has no influence.

Positions are gathered into groups first, so that the recurrent layers, which take one step after the other, take few.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.errors import OptionError
from latentia.nets.axes import principal_axes
from latentia.nets.base import (
    SEQUENCE_DECODERS,
    SEQUENCE_ENCODERS,
    SequenceDecoder,
    SequenceEncoder,
    Shape,
    he_initialise,
    zero_initialise,
)
from latentia.nets.dense import ResidualDense

FEWEST_GROUPS = 32  # fewer have no principal components to speak of


def position_mask(lengths: Tensor, size: int) -> Tensor:
    """Returns True where a position exists, shape (N, size).

    Example:
        >>> position_mask(torch.tensor([2]), 3)
        tensor([[ True,  True, False]])
    """
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def group_count(lengths: Tensor, stride: int) -> Tensor:
    """Returns the number of groups that so many positions make, the last of which may be incomplete."""
    return torch.div(lengths + stride - 1, stride, rounding_mode="floor")


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Turns the valid part of each sequence (N, T, F) around; what lies behind its end stays.

    Example:
        >>> reverse_within(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([2])).flatten().tolist()
        [2.0, 1.0, 0.0]
    """
    positions = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    turned = torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)
    return x.gather(1, turned[..., None].expand_as(x))


class ResidualConv1d(nn.Module):
    """`x + conv(relu(conv(relu(x))))` along positions, the identity at first.

    Args:
        width: number of channels.
        causal: whether a position sees only itself and earlier ones.
    """

    def __init__(self, width: int, causal: bool) -> None:
        super().__init__()
        self._before, self._behind = (2, 0) if causal else (1, 1)
        self.first = nn.Conv1d(width, width, 3)
        self.second = nn.Conv1d(width, width, 3)
        zero_initialise(self.second)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps x (N, T, width) with a mask (N, T, 1)."""
        hidden = self._along(self.first, F.relu(x) * mask)
        return x + self._along(self.second, F.relu(hidden) * mask)

    def _along(self, convolution: nn.Conv1d, x: Tensor) -> Tensor:
        return convolution(F.pad(x.transpose(1, 2), (self._before, self._behind))).transpose(1, 2)


class Recurrent(nn.Module):
    """A gated recurrent unit (Cho et al., 2014, arXiv:1406.1078) beside a skip connection, in both directions or one.

    Its gain starts at zero, so that the layer is the identity at first.

    Args:
        width: size of input and output, even.
        causal: whether a position sees only itself and earlier ones.
    """

    def __init__(self, width: int, causal: bool) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise OptionError(f"The width of a recurrent network must be even and at least 2, not {width}.")
        self.forwards = nn.GRU(width, width if causal else width // 2, batch_first=True)
        self.backwards = None if causal else nn.GRU(width, width // 2, batch_first=True)
        self.gain = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Maps x (N, T, width)."""
        inputs = F.relu(x)
        ahead, _ = self.forwards(inputs)
        if self.backwards is None:
            return x + self.gain * ahead
        behind, _ = self.backwards(reverse_within(inputs, lengths))
        return x + self.gain * torch.cat([ahead, reverse_within(behind, lengths)], -1)


class _Trunk(nn.Module):
    """Residual convolutions, then a recurrent layer; the identity at first, so that networks start out linear."""

    def __init__(self, width: int, blocks: int, causal: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualConv1d(width, causal) for _ in range(blocks))
        self.recurrent = Recurrent(width, causal)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        mask = position_mask(counts, x.shape[1])[..., None]
        for block in self.blocks:
            x = block(x, mask)
        return self.recurrent(x, counts) * mask


@SEQUENCE_ENCODERS.register("conv-gru")
class ConvGruEncoder(SequenceEncoder):
    """Groups of positions through residual convolutions and a recurrent layer; mean and spread stand for the whole.

    Features of groups are differences from their mean over time, so that what does not change, such as the voice, is
    told with the whole (as instance normalisation does for voices: Chou, Yeh and Lee, 2019, arXiv:1904.05742).

    Args:
        event_shape: (F,), features of a position.
        width: of all layers, even.
        blocks: residual convolutions.
        stride: positions in a group.
        causal: whether a group sees only itself and earlier ones.
        logarithm: whether the data are powers, which networks take as logarithms.

    Example:
        >>> net = ConvGruEncoder((5,), width=8, stride=4)
        >>> groups, whole = net(torch.zeros(2, 9, 5), torch.tensor([9, 3]))
        >>> groups.shape, whole.shape
        (torch.Size([2, 3, 8]), torch.Size([2, 8]))
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        event_shape: Shape,
        width: int = 192,
        blocks: int = 2,
        stride: int = 4,
        causal: bool = False,
        logarithm: bool = False,
    ) -> None:
        super().__init__()
        _require_stride(stride)
        self.event_shape = tuple(event_shape)
        self.width = width
        self.blocks = blocks
        self.stride = stride
        self.causal = causal
        self.logarithm = logarithm
        self.features = width
        size = self.event_shape[0]
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.stem = nn.Linear(stride * size, width)
        self.trunk = _Trunk(width, blocks, causal)
        self.pool = nn.Linear(2 * width, width)
        self.deepen = ResidualDense(width)
        _initialise(self)
        with torch.no_grad():  # starts as the mean over time
            self.pool.weight.copy_(torch.eye(width, 2 * width))

    def start_at(self, x: Tensor, lengths: Tensor) -> Tensor | None:
        """Starts features as the principal components of groups, so far as they go, at unit variance."""
        seen = self._levels(x)[position_mask(lengths, x.shape[1])]
        self.mean.copy_(seen.mean(0))
        self.scale.copy_(seen.std(0, correction=0).clamp_min(1e-3))
        groups = self._groups(x, position_mask(lengths, x.shape[1])[..., None])
        groups = groups[position_mask(torch.div(lengths, self.stride, rounding_mode="floor"), groups.shape[1])]
        if len(groups) < FEWEST_GROUPS:
            return None
        spread = self.scale.repeat(self.stride)
        variances, directions = principal_axes(groups * spread)
        count = min(self.width, len(variances))
        lengths_of_axes = variances[:count].clamp_min(1e-4 * variances[0]).sqrt()
        self.stem.weight[:count] = (directions[:count] * spread) / lengths_of_axes[:, None]
        axes = x.new_zeros(self.features, groups.shape[1])
        axes[:count] = directions[:count] * lengths_of_axes[:, None]
        return axes

    def forward(self, x: Tensor, lengths: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        seen = position_mask(lengths, x.shape[1])[..., None]
        counts = group_count(lengths, self.stride)
        hidden = self.trunk(self.stem(self._groups(x, seen if observed is None else seen & observed)), counts)
        whole = self.deepen(self.pool(_mean_and_spread(hidden.float(), counts)))
        return self._apart_from_mean(hidden, counts), whole

    def _groups(self, x: Tensor, seen: Tensor) -> Tensor:
        """Returns standardised groups of positions, shape (N, G, stride * F)."""
        # What is hidden becomes 0, the mean, whatever its value was (NaN included).
        standard = torch.where(seen, (self._levels(x) - self.mean) / self.scale, 0.0)
        padded = F.pad(standard, (0, 0, 0, -x.shape[1] % self.stride))
        return padded.reshape(len(x), -1, self.stride * x.shape[2])

    def _apart_from_mean(self, hidden: Tensor, counts: Tensor) -> Tensor:
        """Takes from each group the mean of all groups that exist, or of those so far."""
        mask = position_mask(counts, hidden.shape[1])[..., None]
        so_far = hidden.float().cumsum(1)
        if self.causal:
            mean = so_far / torch.arange(1, hidden.shape[1] + 1, device=hidden.device)[:, None]
        else:
            mean = so_far[:, -1:] / counts[:, None, None]
        return (hidden - mean) * mask

    def _levels(self, x: Tensor) -> Tensor:
        return x.clamp_min(1e-9).log() if self.logarithm else x


def _mean_and_spread(hidden: Tensor, counts: Tensor) -> Tensor:
    """Returns mean and standard deviation over the groups that exist, shape (N, 2 * width); others must be 0."""
    n = counts[:, None].to(hidden.dtype)
    mean = hidden.sum(1) / n
    square = hidden.square().sum(1) / n
    return torch.cat([mean, (square - mean.square()).clamp_min(0).add(1e-6).sqrt()], -1)


@SEQUENCE_DECODERS.register("conv-gru")
class ConvGruDecoder(SequenceDecoder):
    """The mirror image of `ConvGruEncoder`: each group gives the parameters of its positions.

    Args:
        latent_dim: latents of the whole.
        frame_dim: latents of a group.
        out_shape: (P,), the likelihood's parameters of a position.
        width: of all layers, even.
        blocks: residual convolutions.
        stride: positions in a group.
        causal: whether a group sees only itself and earlier ones.

    Example:
        >>> net = ConvGruDecoder(2, 3, (5,), width=8, stride=4)
        >>> net(torch.zeros(2, 2), torch.zeros(2, 3, 3), torch.tensor([9, 3])).shape
        torch.Size([2, 9, 5])
    """

    def __init__(
        self,
        latent_dim: int,
        frame_dim: int,
        out_shape: Shape,
        width: int = 192,
        blocks: int = 2,
        stride: int = 4,
        causal: bool = False,
    ) -> None:
        super().__init__()
        _require_stride(stride)
        self.latent_dim = latent_dim
        self.frame_dim = frame_dim
        self.out_shape = tuple(out_shape)
        self.width = width
        self.blocks = blocks
        self.stride = stride
        self.causal = causal
        self.stem = nn.Linear(latent_dim + frame_dim, width)
        self.trunk = _Trunk(width, blocks, causal)
        self.head = nn.Linear(width, stride * self.out_shape[0])
        self.offset = nn.Parameter(torch.zeros(self.out_shape))
        _initialise(self)
        zero_initialise(self.head)

    def forward(self, code: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
        counts = group_count(lengths, self.stride)
        both = torch.cat([frames, code[:, None].expand(-1, frames.shape[1], -1)], -1)
        hidden = self.trunk(self.stem(both), counts)
        positions = self.head(hidden).unflatten(-1, (self.stride, -1)).flatten(1, 2)
        return positions[:, : int(lengths.max())] + self.offset

    def start_along(self, code_axes: Tensor, frame_axes: Tensor) -> None:
        axes = torch.cat([frame_axes, code_axes])
        if axes.shape[1] != self.head.out_features or len(axes) > self.width:
            return
        self.stem.weight[: len(axes)] = torch.eye(len(axes), device=axes.device)
        self.head.weight[:, : len(axes)] = axes.T


def _require_stride(stride: int) -> None:
    if stride < 1:
        raise OptionError(f"The stride of a network of sequences must be at least 1, not {stride}.")


def _initialise(network: nn.Module) -> None:
    he_initialise(network)
    for block in network.modules():
        if isinstance(block, ResidualConv1d | ResidualDense):
            zero_initialise(block.second)
