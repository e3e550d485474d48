"""Surfaces: first guesses of whole pictures from any part of them, calculated from the training pictures."""

from latentia.models.surfaces.guess import Guess, LinearGuess
from latentia.models.surfaces.patches import PatchGuess
from latentia.models.surfaces.shrunk import ShrunkGuess

__all__ = ["Guess", "LinearGuess", "PatchGuess", "ShrunkGuess"]
