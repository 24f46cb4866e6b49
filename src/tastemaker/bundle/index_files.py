"""The approximate index of a run: a subfolder of the run's folder, made for its current weights."""

from pathlib import Path
from typing import Any

import torch

from tastemaker import artifact
from tastemaker.errors import ArtifactError, UnsupportedError
from tastemaker.models.recommender import Recommender
from tastemaker.ranking.approximate import ApproximateIndex
from tastemaker.ranking.hnsw import Graph

INDEX = "index"
"""Name of the folder, and of its kind of artifact."""


def write_index(run: Path, manifest: dict[str, Any], index: ApproximateIndex) -> None:
    """Writes the links of an index into its run's folder; the weights already hold the vectors.

    Args:
        run: the run's folder.
        manifest: the run's manifest.
        index: the index of the run's item keys.
    """
    links = {name: torch.from_numpy(array) for name, array in index.graph.state().items()}
    with artifact.writing(run / INDEX, INDEX, keep_previous=False) as out:
        out.json("index.json", {"weights": _checksum(manifest)})
        out.tensors("graph.safetensors", links)


def read_index(run: Path, manifest: dict[str, Any], model: Recommender) -> ApproximateIndex:
    """Reads the index that `write_index` wrote.

    Raises:
        ArtifactError: the index is missing, damaged, or made for other weights.
    """
    if not (run / INDEX).exists():
        raise ArtifactError(f"{run} has no index yet; build one with: tastemaker index {run}")
    source = artifact.reading(run / INDEX, INDEX)
    if source.json("index.json")["weights"] != _checksum(manifest):
        raise ArtifactError(
            f"{run}: the index was built for other weights; build it again with: "
            f"tastemaker index {run}"
        )
    links = source.tensors("graph.safetensors")
    keys = item_keys(model)
    graph = Graph.from_state(keys.numpy(), {name: links[name].numpy() for name in links})
    return ApproximateIndex(keys, graph)


def item_keys(model: Recommender) -> torch.Tensor:
    """Returns the keys to index, (n_items, d) float32 on the CPU.

    Raises:
        UnsupportedError: the model's scores are not inner products.
    """
    if model.item_keys is None:
        raise UnsupportedError(
            f"{model.name} does not support approximate search: its scores are not inner products "
            "of a user vector and an item vector; recommend works without an index"
        )
    return model.item_keys.detach().cpu().float().contiguous()


def _checksum(manifest: dict[str, Any]) -> str:
    return manifest["files"]["weights.safetensors"]["sha256"]
