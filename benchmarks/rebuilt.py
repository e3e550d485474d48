"""Pythae's MNIST ConvVAE rebuilt: the same layers, parameters and function, on matrix products.

Strided 4x4 and transposed convolutions over 3x3 to 7x7 pixels and 256 to 1024 channels are what CPU
convolution kernels do worst: they vectorise over pixels, and there are none. The same sums as one matrix
product over (pixels of the whole batch) x (taps times channels) run near the machine's matrix rate. So a
convolution is *gather taps, multiply*, a transposed convolution is *multiply, scatter taps*, and the two
memory moves are each other's derivative.

Pictures travel as (N, H, W, C), which is what channels-last memory holds anyway.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT_DIM = 16


def _gather(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Returns the taps of each output pixel, (N, H, W, C) to (N, OH, OW, kernel * kernel * C)."""
    padded = F.pad(x, (0, 0, padding, padding, padding, padding))
    rows = (padded.shape[1] - kernel) // stride + 1
    columns = (padded.shape[2] - kernel) // stride + 1
    taps = [
        padded[:, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride]
        for i in range(kernel)
        for j in range(kernel)
    ]
    return torch.cat(taps, dim=-1)


def _scatter(taps: Tensor, size: tuple[int, int], kernel: int, stride: int, padding: int) -> Tensor:
    """Adds taps back to the pixels they came from, (N, OH, OW, kernel * kernel * C) to (N, *size, C)."""
    n, rows, columns, width = taps.shape
    channels = width // kernel**2
    padded = taps.new_zeros(n, size[0] + 2 * padding, size[1] + 2 * padding, channels)
    for tap, part in enumerate(taps.split(channels, dim=-1)):
        i, j = divmod(tap, kernel)
        padded[:, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride] += part
    return padded[:, padding : padding + size[0], padding : padding + size[1]].contiguous()


class _Gather(torch.autograd.Function):
    """`_gather`, whose derivative is one `_scatter` (autograd would fill a picture of zeros for each tap)."""

    @staticmethod
    def forward(ctx, x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
        ctx.arguments = ((x.shape[1], x.shape[2]), kernel, stride, padding)
        return _gather(x, kernel, stride, padding)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _scatter(gradient, *ctx.arguments), None, None, None


class _Scatter(torch.autograd.Function):
    """`_scatter`, whose derivative is one `_gather`."""

    @staticmethod
    def forward(ctx, taps: Tensor, size: tuple[int, int], kernel: int, stride: int, padding: int) -> Tensor:
        ctx.arguments = (kernel, stride, padding)
        ctx.grid = taps.shape[1:3]
        return _scatter(taps, size, kernel, stride, padding)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        rows, columns = ctx.grid
        return _gather(gradient, *ctx.arguments)[:, :rows, :columns], None, None, None, None


class MatrixConv(nn.Module):
    """A strided convolution as one matrix product; weights (out, kernel * kernel * in).

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel.
        size: side of the pictures that it will see. Taps that only ever meet padding are left out of the
            product (7 of the 16 of a 4x4 kernel over 3x3 pixels).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, size: int) -> None:
        super().__init__()
        reference = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=1)
        self.kernel = kernel
        self.weight = nn.Parameter(reference.weight.detach().permute(0, 2, 3, 1).reshape(outputs, -1).contiguous())
        self.bias = nn.Parameter(reference.bias.detach())
        self.single = (size + 2 - kernel) // 2 == 0 and size < kernel
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if self.single:
            # One output pixel: the picture itself is the row of the product.
            taps = self.weight.view(len(self.weight), self.kernel, self.kernel, -1)
            live = taps[:, 1 : 1 + self.size, 1 : 1 + self.size]
            return F.linear(x.flatten(1), live.reshape(len(taps), -1), self.bias)[:, None, None]
        return F.linear(_Gather.apply(x, self.kernel, 2, 1), self.weight, self.bias)


class MatrixConvTranspose(nn.Module):
    """A transposed 3x3 convolution of stride 2 and padding 1 as one matrix product; weights (9 * out, in).

    Args:
        inputs: channels in.
        outputs: channels out.
        size: side of the pictures that it makes.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        reference = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1)
        self.size = size
        self.weight = nn.Parameter(reference.weight.detach().permute(2, 3, 1, 0).reshape(-1, inputs).contiguous())
        self.bias = nn.Parameter(reference.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        return _Scatter.apply(F.linear(x, self.weight), (self.size, self.size), 3, 2, 1) + self.bias


class PixelNorm(nn.BatchNorm2d):
    """Batch normalisation of pictures (N, H, W, C), without a copy: they are channels-last already."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ChannelsLastConv(nn.Conv2d):
    """A convolution of pictures (N, H, W, C); for the one layer with enough pixels for convolution kernels."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, stride=2, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class RebuiltVAE(nn.Module):
    """Pythae's Encoder_Conv_VAE_MNIST and Decoder_Conv_AE_MNIST, layer by layer: 17.2 M parameters."""

    def __init__(self, latent_dim: int = LATENT_DIM) -> None:
        super().__init__()

        def after(layer: nn.Module, channels: int) -> list[nn.Module]:
            return [layer, PixelNorm(channels), nn.ReLU(inplace=True)]

        self.encoder = nn.Sequential(
            *after(MatrixConv(1, 128, 4, size=28), 128),
            *after(ChannelsLastConv(128, 256, 4), 256),
            *after(MatrixConv(256, 512, 4, size=7), 512),
            *after(MatrixConv(512, 1024, 4, size=3), 1024),
            nn.Flatten(),
        )
        self.embedding = nn.Linear(1024, 2 * latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 16 * 1024),
            nn.Unflatten(1, (4, 4, 1024)),
            *after(MatrixConvTranspose(1024, 512, size=7), 512),
            *after(MatrixConvTranspose(512, 256, size=14), 256),
            MatrixConvTranspose(256, 1, size=28),
        )

    def loss(self, x: Tensor) -> Tensor:
        """Returns the negative ELBO of binary pictures (N, 1, 28, 28), the mean over the batch, nats."""
        features = self.embedding(self.encoder(x.permute(0, 2, 3, 1)))
        mean, log_variance = features.float().chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        logits = self.decoder(z).float().permute(0, 3, 1, 2)
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        rate = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        return (distortion + rate) / len(x)
