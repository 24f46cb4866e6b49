"""Registry: finds models by name, both the built-in ones and those of other packages."""

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from tastemaker.errors import ConfigError, did_you_mean

if TYPE_CHECKING:  # listing the names must not import torch
    from tastemaker.models.recommender import Recommender

GROUP = "tastemaker.models"
"""The entry-point group in which another package declares its models."""

BUILT_IN = {
    "popularity": "tastemaker.models.popularity:Popularity",
    "random": "tastemaker.models.random:Random",
    "repeat": "tastemaker.models.repeat:Repeat",
    "itemknn": "tastemaker.models.linear.itemknn:ItemKNN",
    "ease": "tastemaker.models.linear.ease:EASE",
    "graphfilter": "tastemaker.models.graph.graph_filter:GraphFilter",
    "ials": "tastemaker.models.factorization.ials:IALS",
    "bpr": "tastemaker.models.factorization.bpr:BPR",
    "mf": "tastemaker.models.factorization.mf:MF",
    "gmf": "tastemaker.models.factorization.gmf:GMF",
    "mlp": "tastemaker.models.factorization.ncf:MLP",
    "ncf": "tastemaker.models.factorization.ncf:NCF",
    "neumf": "tastemaker.models.factorization.neumf:NeuMF",
    "multvae": "tastemaker.models.autoencoder.multvae:MultVAE",
    "lightgcn": "tastemaker.models.graph.lightgcn:LightGCN",
    "gru4rec": "tastemaker.models.sequence.gru4rec:GRU4Rec",
    "sasrec": "tastemaker.models.sequence.sasrec:SASRec",
    "bsarec": "tastemaker.models.sequence.bsarec:BSARec",
    "esasrec": "tastemaker.models.sequence.sasrec:ESASRec",
    "core": "tastemaker.models.sequence.core:CORE",
    "hstu": "tastemaker.models.sequence.hstu:HSTU",
    "two_tower": "tastemaker.models.sequence.two_tower:TwoTower",
    "blend": "tastemaker.models.blend.blend:Blend",
}


def model_names() -> list[str]:
    """Returns every name that `model_class` accepts."""
    return list(_entries())


def model_class(name: str) -> "type[Recommender]":
    """Returns the class of the model with this name.

    Raises:
        ConfigError: there is no such model (the error suggests the nearest name), or the plug-in
            that defines it cannot be imported.
    """
    entries = _entries()
    if name not in entries:
        raise ConfigError(f'there is no model "{name}"; {did_you_mean(name, entries)}')
    entry = entries[name]
    if name in BUILT_IN:
        return entry.load()
    try:
        return entry.load()
    except Exception as error:  # importing a plug-in's module may raise anything
        package = entry.dist.name if entry.dist else "a package"
        raise ConfigError(
            f'the model "{name}" of the plug-in {package} ({entry.value}) cannot be loaded: '
            f"{type(error).__name__}: {error}; repair or uninstall {package}"
        ) from error


def _entries() -> dict[str, EntryPoint]:
    built_in = {name: EntryPoint(name, path, GROUP) for name, path in BUILT_IN.items()}
    return {entry.name: entry for entry in entry_points(group=GROUP)} | built_in
