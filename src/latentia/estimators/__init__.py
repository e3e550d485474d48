"""The Python face: estimators with the conventions of scikit-learn."""

from latentia.estimators.images import ImageVAE
from latentia.estimators.speech import SpeechVAE
from latentia.estimators.vectors import VAE

__all__ = ["VAE", "ImageVAE", "SpeechVAE"]
