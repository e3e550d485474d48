"""Presets: named configurations, each a few lines that name parts and cite a paper."""

from latentia.presets import pictures, recordings
from latentia.presets.base import PRESETS, Preset, get_preset, register_preset
from latentia.presets.resolving import default_preset, plain_preset, resolve

__all__ = [
    "PRESETS",
    "Preset",
    "default_preset",
    "get_preset",
    "pictures",
    "plain_preset",
    "recordings",
    "register_preset",
    "resolve",
]
