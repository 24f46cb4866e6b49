"""The map of the items: their vectors, projected onto two principal components."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tastemaker.errors import UnsupportedError
from tastemaker.models.recommender import Recommender
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.store.ids import id_of

ITERATIONS = 12
"""Number of power iterations; each reduces the error by the ratio of two directions' variances."""

EXTRA_DIRECTIONS = 6
"""Number of additional directions, which make the iteration converge sooner."""


def item_map(model: Recommender, catalog: LiveCatalog, n: int) -> dict[str, Any]:
    """Returns the n most popular findable items as points in a plane.

    Raises:
        UnsupportedError: the model has no item vectors.
    """
    vectors = model.item_vectors
    if vectors is None:
        raise UnsupportedError(f"{model.name} has no item vectors, so there is no map")
    counts = catalog.dataset.item_counts
    popular = [int(code) for code in np.argsort(-counts, kind="stable") if counts[code] > 0]
    records = [(code, catalog.at(code)) for code in popular]
    shown = [(code, record) for code, record in records if record.findable][:n]
    codes = torch.tensor([code for code, _ in shown], dtype=torch.int64)
    points, fraction = plane(vectors[codes.to(vectors.device)].float().cpu())
    sizes = catalog.n_in_category
    return {
        "items": [
            {
                "item_id": id_of(catalog.vocabulary, record.item_id),
                "title": record.title,
                # The rarest of its categories describes an item best.
                "category": min(
                    record.categories or (), key=lambda c: sizes.get(c, 0), default=None
                ),
                "categories": record.categories,
                "x": round(float(x), 4),
                "y": round(float(y), 4),
                "n": int(counts[code]),
            }
            for (code, record), (x, y) in zip(shown, points, strict=True)
        ],
        "explained": fraction,
    }


def plane(vectors: torch.Tensor) -> tuple[NDArray[np.float32], float]:
    """Projects vectors onto two principal components; the same vectors give the same points.

    Args:
        vectors: (n, d) float32; only their directions count, as for similarity.

    Returns:
        (n, 2) coordinates from -1 to 1, and the fraction of the variance that they explain.
    """
    n, n_dims = vectors.shape
    if n == 0:
        return np.zeros((0, 2), dtype=np.float32), 0.0
    length = vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    centred = vectors / length
    centred = centred - centred.mean(dim=0)
    total = float(centred.square().sum())
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(n_dims, min(2 + EXTRA_DIRECTIONS, n_dims), generator=generator)
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    projected = centred @ basis
    left_vectors, singular_values, _ = torch.linalg.svd(projected, full_matrices=False)
    points = torch.zeros(n, 2)
    n_kept = min(2, left_vectors.shape[1])
    points[:, :n_kept] = left_vectors[:, :n_kept] * singular_values[:n_kept]
    # The signs are arbitrary; the first item determines them, so that a restart changes nothing.
    points = points * torch.where(points[0] < 0, -1.0, 1.0)
    fraction = float(points.square().sum()) / total if total > 0 else 0.0
    largest = points.abs().max(dim=0).values.clamp_min(1e-12)
    return (points / largest).numpy(), fraction
