"""Networks: dense and residual convolutional building blocks; nothing probabilistic."""

from latentia.nets.base import DECODERS, ENCODERS, Decoder, Encoder
from latentia.nets.dense import DenseDecoder, DenseEncoder
from latentia.nets.residual import ResidualDecoder, ResidualEncoder

__all__ = [
    "DECODERS",
    "ENCODERS",
    "Decoder",
    "DenseDecoder",
    "DenseEncoder",
    "Encoder",
    "ResidualDecoder",
    "ResidualEncoder",
]
