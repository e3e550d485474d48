"""Networks: dense, convolutional and recurrent building blocks; nothing probabilistic."""

from latentia.nets.base import (
    CONDITIONAL_DECODERS,
    DECODERS,
    ENCODERS,
    LADDER_DECODERS,
    LADDER_ENCODERS,
    SEQUENCE_DECODERS,
    SEQUENCE_ENCODERS,
    ConditionalDecoder,
    Context,
    Decoder,
    Encoder,
    LadderDecoder,
    LadderEncoder,
    SequenceDecoder,
    SequenceEncoder,
)
from latentia.nets.dense import DenseDecoder, DenseEncoder
from latentia.nets.fill import smooth_fill
from latentia.nets.ladder import ResidualLadderDecoder, ResidualLadderEncoder
from latentia.nets.recurrent import ConvGruDecoder, ConvGruEncoder
from latentia.nets.residual import ResidualDecoder, ResidualEncoder
from latentia.nets.unet import UNet

__all__ = [
    "CONDITIONAL_DECODERS",
    "DECODERS",
    "ENCODERS",
    "LADDER_DECODERS",
    "LADDER_ENCODERS",
    "SEQUENCE_DECODERS",
    "SEQUENCE_ENCODERS",
    "ConditionalDecoder",
    "Context",
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
    "UNet",
    "smooth_fill",
]
