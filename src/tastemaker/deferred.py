"""Packages that are imported when they are first used, since their import is slow."""

from importlib import import_module
from typing import Any


class DeferredModule:
    """Stands for a module, and imports it when an attribute is first used.

    Unlike `importlib.util.LazyLoader`, it is not in `sys.modules`. There, a program that imports a
    submodule first, as in `import sqlalchemy.exc`, would get a second copy of it, whose exceptions
    are not those that the package raises.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"DeferredModule({self._name!r})"

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
