"""Parts of a model as a person gives them: by name, by name and settings, or as objects."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from latentia.distributions import LIKELIHOODS, PRIORS
from latentia.models import MODELS
from latentia.objectives import OBJECTIVES
from latentia.registry import Registry

ROLES = ("encoder", "decoder", "prior", "likelihood", "objective")
# What the model knows about a part, and so is no setting of it.
SIZES = frozenset({"event_shape", "example_shape", "latent_dim", "frame_dim", "out_shape", "features", "channels"})


@dataclass(frozen=True)
class Parts:
    """The parts that a person chose.

    Attributes:
        settings: nested settings of the configuration that stand for all of them.
        objects: those given as objects, by role; copies, so that fitting leaves the person's own as they are.
    """

    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    objects: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Parts:
        """Reads parts by role; None stands for the preset's own.

        Example:
            >>> Parts.read({"prior": "mixture", "likelihood": LIKELIHOODS.build("gaussian", {})}).settings
            {'model': {'prior': 'mixture', 'likelihood': {'name': 'gaussian', 'scale': 'shared', 'initial_scale': 0.5}}}
        """
        parts = cls()
        for role, part in given.items():
            if part is None:
                continue
            home = parts.settings if role == "objective" else parts.settings.setdefault("model", {})
            if isinstance(part, str | Mapping):
                home[role] = part
            else:
                home[role] = _described(_registry(role, part), part)
                parts.objects[role] = copy.deepcopy(part)
        return parts

    def require_registered(self) -> None:
        """Checks that a saved model could be rebuilt.

        Raises:
            OptionError: the class of an object is not registered.
        """
        for role, part in self.objects.items():
            _registry(role, part).name_of(part)


def _registry(role: str, part: object) -> Registry[Any]:
    """Returns the registry that the class of a part is in; the first of its role where it is in none."""
    kinds = [MODELS.get(name) for name in MODELS]
    homes: dict[str, list[Registry[Any]]] = {
        "encoder": [kind.encoders for kind in kinds],
        "decoder": [kind.decoders for kind in kinds],
        "prior": [PRIORS],
        "likelihood": [LIKELIHOODS],
        "objective": [OBJECTIVES],
    }
    return next((registry for registry in homes[role] if _holds(registry, part)), homes[role][0])


def _holds(registry: Registry[Any], part: object) -> bool:
    return any(registry.get(name) is type(part) for name in registry)


def _described(registry: Registry[Any], part: object) -> dict[str, Any]:
    """Returns the settings that stand for an object; of an unregistered class there is only the name to tell."""
    if not _holds(registry, part):
        return {"name": f"{type(part).__module__}.{type(part).__qualname__}"}
    arguments = {key: value for key, value in registry.arguments_of(part).items() if key not in SIZES}
    return {"name": registry.name_of(part), **arguments}
