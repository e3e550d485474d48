"""Latentia: variational autoencoders for your own images and recordings.

Names are imported when they are first used, so that `import latentia` itself costs next to nothing.

Example:
    >>> import latentia
    >>> latentia.errors.nearest("elbow", ["elbo"])
    "did you mean 'elbo'? Valid: elbo."
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentia import (
        config,
        core,
        data,
        distributions,
        errors,
        estimators,
        evaluation,
        metrics,
        models,
        nets,
        objectives,
        presets,
        registry,
        report,
        runs,
        tasks,
        training,
    )
    from latentia.estimators import VAE, ImageVAE, SpeechVAE
    from latentia.hub import load

__version__ = "0.1.0"

__all__ = [
    "VAE",
    "ImageVAE",
    "SpeechVAE",
    "__version__",
    "config",
    "core",
    "data",
    "distributions",
    "errors",
    "estimators",
    "evaluation",
    "load",
    "metrics",
    "models",
    "nets",
    "objectives",
    "presets",
    "registry",
    "report",
    "runs",
    "tasks",
    "training",
]

_HOMES = {
    **dict.fromkeys(("VAE", "ImageVAE", "SpeechVAE"), "latentia.estimators"),
    "load": "latentia.hub",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value: Any = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in __all__:
        value = importlib.import_module(f"latentia.{name}")
    else:
        raise AttributeError(f"module 'latentia' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
