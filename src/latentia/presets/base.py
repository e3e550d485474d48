"""What a preset is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from latentia.data import Kind, Preprocessing
from latentia.errors import OptionError, nearest

Settings = dict[str, Any]
FLOW: Settings = {"name": "flow", "transforms": 4, "width": 128}


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: for `--preset`.
        kind: of data that it is for.
        description: one line.
        paper: where it comes from.
        settings: the rest of the configuration, once the form of an example is known.
        data: settings of the data, which decide that form.
        variation: whether the settings are laid over those of the plain preset for the data, so that the two differ in
            nothing else.
    """

    name: str
    kind: Kind
    description: str
    paper: str
    settings: Callable[[Preprocessing], Settings]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variation: bool = False


PRESETS: dict[str, Preset] = {}


def register_preset(preset: Preset) -> Preset:
    """Adds a preset to the list that `--preset` takes."""
    PRESETS[preset.name] = preset
    return preset


def get_preset(name: str) -> Preset:
    """Returns a preset.

    Raises:
        OptionError: there is none of that name; the nearest is named.
    """
    if name not in PRESETS:
        raise OptionError(f"Unknown preset '{name}': {nearest(name, PRESETS)}")
    return PRESETS[name]
