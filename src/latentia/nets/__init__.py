"""Networks: dense, convolutional and recurrent building blocks; nothing probabilistic."""

from latentia.nets.base import (
    DECODERS,
    ENCODERS,
    SEQUENCE_DECODERS,
    SEQUENCE_ENCODERS,
    Decoder,
    Encoder,
    SequenceDecoder,
    SequenceEncoder,
)
from latentia.nets.dense import DenseDecoder, DenseEncoder
from latentia.nets.recurrent import ConvGruDecoder, ConvGruEncoder
from latentia.nets.residual import ResidualDecoder, ResidualEncoder

__all__ = [
    "DECODERS",
    "ENCODERS",
    "SEQUENCE_DECODERS",
    "SEQUENCE_ENCODERS",
    "ConvGruDecoder",
    "ConvGruEncoder",
    "Decoder",
    "DenseDecoder",
    "DenseEncoder",
    "Encoder",
    "ResidualDecoder",
    "ResidualEncoder",
    "SequenceDecoder",
    "SequenceEncoder",
]
