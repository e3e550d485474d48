"""Names for exchangeable parts: `Registry`, and the way from an object to its name and arguments and back.

A registered class keeps every constructor argument in an attribute of the same name. That convention (the
one of scikit-learn) is all it takes to save a model: its configuration *is* its constructor arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from latentia.errors import OptionError, nearest

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """Classes of one kind by name.

    Args:
        kind: what the entries are, for messages ("prior", "objective" ...).
        base: what they derive from, and with them what may take the place of one.

    Example:
        >>> shapes: Registry[object] = Registry("shape")
        >>> @shapes.register("square")
        ... class Square:
        ...     def __init__(self, side: float = 1.0) -> None:
        ...         self.side = side
        >>> shapes.build("square", {"side": 2.0}).side
        2.0
    """

    def __init__(self, kind: str, base: type[Any] = object) -> None:
        self.kind = kind
        self.base = base
        self._classes: dict[str, type[Any]] = {}

    def register(self, name: str) -> Callable[[C], C]:
        """Returns a decorator that registers a class under `name`."""

        def add(cls: C) -> C:
            if name in self._classes and self._classes[name] is not cls:
                raise OptionError(f"The {self.kind} '{name}' is registered already; choose another name.")
            self._classes[name] = cls
            return cls

        return add

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def get(self, name: str) -> type[T]:
        """Returns the class registered under `name`.

        Raises:
            OptionError: no such name; the message lists the valid ones and the nearest.
        """
        if name not in self._classes:
            raise OptionError(f"Unknown {self.kind} '{name}': {nearest(name, self)}")
        return self._classes[name]

    def arguments(self, name: str) -> dict[str, inspect.Parameter]:
        """Returns the constructor's parameters of the class registered under `name`."""
        return _parameters(self.get(name))

    def build(self, name: str, arguments: Mapping[str, Any], **sizes: Any) -> T:
        """Builds the object registered under `name`.

        Args:
            name: registered name.
            arguments: what a person set; unknown names are errors, and so are those that the model sets.
            sizes: what the model knows (widths, shapes); passed where the constructor takes it.

        Raises:
            OptionError: unknown name or argument, or an argument of the wrong type or value.
        """
        parameters = self.arguments(name)
        for key in arguments:
            if key not in parameters:
                raise OptionError(f"The {self.kind} '{name}' has no setting '{key}': {nearest(key, parameters)}")
            if key in sizes:
                raise OptionError(f"'{key}' of the {self.kind} '{name}' follows from the model and cannot be set.")
        known = {key: value for key, value in sizes.items() if key in parameters}
        try:
            return self.get(name)(**{**known, **arguments})
        except OptionError:
            raise
        except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:  # PyTorch's of sizes beyond memory
            reason = str(error).splitlines()[0]
            raise OptionError(f"The {self.kind} '{name}' cannot be built: {reason}.") from error

    def name_of(self, item: object) -> str:
        """Returns the name under which the class of `item` is registered.

        Raises:
            OptionError: it is not registered, and so could not be rebuilt from a saved configuration.
        """
        for name, cls in self._classes.items():
            if type(item) is cls:
                return name
        raise OptionError(
            f"{type(item).__name__} is not a registered {self.kind}, so a saved model could not be rebuilt: "
            f"decorate the class with the registry's `register('a-name')`."
        )

    def arguments_of(self, item: object) -> dict[str, Any]:
        """Returns the constructor arguments that `item` was built with, read from its attributes."""
        return {key: getattr(item, key) for key in _parameters(type(item))}


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(cls.__init__).parameters)
    parameters.pop("self", None)
    return {k: p for k, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
