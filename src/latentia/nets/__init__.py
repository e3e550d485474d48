"""Networks: dense, convolutional and recurrent building blocks; nothing probabilistic."""

from latentia.nets.base import (
    DECODERS,
    ENCODERS,
    LADDER_DECODERS,
    LADDER_ENCODERS,
    SEQUENCE_DECODERS,
    SEQUENCE_ENCODERS,
    Decoder,
    Encoder,
    LadderDecoder,
    LadderEncoder,
    SequenceDecoder,
    SequenceEncoder,
)
from latentia.nets.dense import DenseDecoder, DenseEncoder
from latentia.nets.ladder import ResidualLadderDecoder, ResidualLadderEncoder
from latentia.nets.recurrent import ConvGruDecoder, ConvGruEncoder
from latentia.nets.residual import ResidualDecoder, ResidualEncoder

__all__ = [
    "DECODERS",
    "ENCODERS",
    "LADDER_DECODERS",
    "LADDER_ENCODERS",
    "SEQUENCE_DECODERS",
    "SEQUENCE_ENCODERS",
    "ConvGruDecoder",
    "ConvGruEncoder",
    "Decoder",
    "DenseDecoder",
    "DenseEncoder",
    "Encoder",
    "LadderDecoder",
    "LadderEncoder",
    "ResidualDecoder",
    "ResidualEncoder",
    "ResidualLadderDecoder",
    "ResidualLadderEncoder",
    "SequenceDecoder",
    "SequenceEncoder",
]
