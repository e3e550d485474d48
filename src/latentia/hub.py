"""Loading a trained model by the place it is kept at."""

from __future__ import annotations

from pathlib import Path

from latentia.estimators import VAE, ImageVAE, SpeechVAE
from latentia.files import expand
from latentia.runs import RunFolder, read_history, read_model

ESTIMATORS = {"image": ImageVAE, "speech": SpeechVAE, "vector": VAE}


def load(name_or_path: str | Path) -> ImageVAE | SpeechVAE | VAE:
    """Loads a model that was trained with `latentia train` or saved with `save_pretrained`.

    Args:
        name_or_path: the run folder.

    Returns:
        The fitted estimator: `ImageVAE` for pictures, `SpeechVAE` for recordings, `VAE` for vectors.

    Raises:
        RunError: there is no such run folder, or it is unfinished, damaged or of a newer format.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(20, 3))
        >>> vae = VAE(latent_dim=2, epochs=1).fit(x)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     same = load(vae.save_pretrained(folder))
        >>> bool((same.transform(x) == vae.transform(x)).all())
        True
    """
    run = RunFolder(expand(name_or_path))
    trained = read_model(run.path)
    estimator = ESTIMATORS[trained.preprocessing.kind]
    return estimator.from_trained(trained, read_history(run))
