"""What the recipes of both of LightGCN's splits share."""

from typing import Any

import tastemaker as tm

EASE: dict[str, Any] = {"regularization": 50, "neighbours": 100}
LIGHTGCN: dict[str, Any] = {
    "contrast": 0.2, "layers": 2, "negatives": 4, "batch_size": 8192, "learning_rate": 1e-2,
    "epochs": 12,
}  # fmt: skip


def ease(seed: int) -> tm.EASE:
    """Each item predicted by its 100 nearest."""
    return tm.EASE(**EASE)


def gfcf(seed: int) -> tm.GraphFilter:
    """The settings of GF-CF, which are the defaults."""
    return tm.GraphFilter()


def lightgcn(seed: int) -> tm.LightGCN:
    """With the contrast of XSimGCL, in larger batches; the settings were found on Yelp2018."""
    return tm.LightGCN(**LIGHTGCN, seed=seed)


def closed_form_blend(graph_filter: dict[str, Any], weights: tuple[float, float]) -> tm.Blend:
    """Returns a blend of a graph filter and EASE."""
    return tm.Blend(
        parts=("graphfilter", "ease"), weights=weights, graphfilter=graph_filter, ease=EASE
    )


def blend_with_lightgcn(
    graph_filter: dict[str, Any], weights: tuple[float, float, float], seed: int
) -> tm.Blend:
    """Returns a blend of a graph filter, EASE and LightGCN."""
    return tm.Blend(
        parts=("graphfilter", "ease", "lightgcn"),
        weights=weights,
        graphfilter=graph_filter,
        ease=EASE,
        lightgcn=LIGHTGCN,
        seed=seed,
    )
