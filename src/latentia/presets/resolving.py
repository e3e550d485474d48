"""From data, a preset and what a person set to the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentia.config import Config
from latentia.data import NOUNS, FileSource, Preprocessing, Source, choose_preprocessing
from latentia.errors import OptionError
from latentia.presets.base import PRESETS, Settings, get_preset

PHOTOGRAPHS = "image-64"


def default_preset(source: Source) -> str:
    """Returns the name of the preset that suits the data: that for photographs for people's own in colour."""
    survey = source.survey() if isinstance(source, FileSource) and source.kind == "image" else None
    return plain_preset(source) if survey is None or survey.channels == 1 else PHOTOGRAPHS


def plain_preset(source: Source) -> str:
    """Returns the name of the preset that variations are laid over."""
    if source.name == "mnist":  # by its name alone, so that nothing is read or downloaded to answer
        return "mnist"
    if source.name == "spoken-digits":
        return "words"
    return source.kind


def resolve(source: Source, preset: str | None, settings: Mapping[str, Any]) -> tuple[Config, Preprocessing]:
    """Makes the whole configuration: defaults, then the preset, then what the person set.

    Args:
        source: the data.
        preset: name of a preset; None takes that of the settings, or chooses by the data.
        settings: nested settings.

    Raises:
        OptionError: an unknown preset, key or value, or a preset for other data.
    """
    named, settings = settings.get("preset"), {key: value for key, value in settings.items() if key != "preset"}
    if not isinstance(named, str | None):
        raise OptionError(f"The setting 'preset' must be the name of a preset, not {named!r}.")
    chosen = get_preset(preset or named or default_preset(source))
    if chosen.kind != source.kind:
        fitting = ", ".join(name for name in PRESETS if PRESETS[name].kind == source.kind)
        raise OptionError(
            f"The preset '{chosen.name}' is for {NOUNS[chosen.kind]}, but {source.name} holds {NOUNS[source.kind]}; "
            f"take one of: {fitting}."
        )
    layers = [get_preset(plain_preset(source)), chosen] if chosen.variation else [chosen]
    base = Config().with_settings({"preset": chosen.name})
    for layer in layers:
        base = base.with_settings({"data": dict(layer.data)})
    preprocessing = choose_preprocessing(source, base.with_settings(_only(settings, "data")).data)
    for layer in layers:
        base = base.with_settings(layer.settings(preprocessing), f"the preset '{layer.name}'")
    return base.with_settings(settings), preprocessing


def _only(settings: Mapping[str, Any], key: str) -> Settings:
    return {key: settings[key]} if key in settings else {}
