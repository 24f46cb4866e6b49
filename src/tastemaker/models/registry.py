"""Registry: the models by name, our own and those that other packages bring."""

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from tastemaker.errors import ConfigError, did_you_mean

if TYPE_CHECKING:  # the names alone must not cost the import of torch
    from tastemaker.models.recommender import Recommender

GROUP = "tastemaker.models"
"""The entry-point group in which another package announces its models."""

BUILT_IN = {
    "popularity": "tastemaker.models.popularity:Popularity",
    "ease": "tastemaker.models.ease:EASE",
    "ncf": "tastemaker.models.ncf:NCF",
}


def model_names() -> list[str]:
    """Every name that `model_class` knows."""
    return list(_entries())


def model_class(name: str) -> "type[Recommender]":
    """The class of that name.

    Raises:
        ConfigError: no such model; names the nearest.
    """
    entries = _entries()
    if name not in entries:
        raise ConfigError(f'there is no model "{name}"; {did_you_mean(name, entries)}')
    return entries[name].load()


def _entries() -> dict[str, EntryPoint]:
    ours = {name: EntryPoint(name, place, GROUP) for name, place in BUILT_IN.items()}
    return {entry.name: entry for entry in entry_points(group=GROUP)} | ours
