"""Amazon Beauty, all but each user's last event: one function a model, with the settings found.

BSARec and the blends are those of `amazon_beauty_held_out`, with the epochs and the weights that
were best there.
"""

from typing import Any

import tastemaker as tm
from recipes.amazon_beauty_held_out import BSAREC, EASE, IALS, SASREC
from recipes.defaults import EARLIER_DEFAULTS, UNFADED, popularity

DEPLOYED_BSAREC: dict[str, Any] = BSAREC | {"epochs": 58, "patience": None}
DEPLOYED_SASREC: dict[str, Any] = SASREC | {"epochs": 51, "patience": None}
WITH_FEATURES: dict[str, Any] = {"features": True, "epochs": 29}


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF."""
    return tm.ItemKNN(similarity="tfidf", neighbours=300, **UNFADED)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(regularization=50, **UNFADED)


def ials(seed: int) -> tm.IALS:
    """Alternating least squares on all pairs."""
    return tm.IALS(embedding_size=384, alpha=50, regularization=20, **UNFADED, seed=seed)


def mf(seed: int) -> tm.MF:
    """A dot product, trained by softmax over the whole catalog."""
    return tm.MF(embedding_size=128, regularization=0.2, batch_size=256, epochs=10, seed=seed)


def multvae(seed: int) -> tm.MultVAE:
    """A variational autoencoder, its β as high from the first epoch on as at last."""
    return tm.MultVAE(
        hidden=200,
        embedding_size=100,
        batch_size=200,
        learning_rate=3e-3,
        kl_weight=0.5,
        anneal_fraction=0,
        epochs=13,
        seed=seed,
    )


def lightgcn(seed: int) -> tm.LightGCN:
    """Vectors smoothed over the graph."""
    return tm.LightGCN(batch_size=8192, learning_rate=1e-2, epochs=38, seed=seed)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer with the softmax over the catalog."""
    return tm.SASRec(epochs=14, **EARLIER_DEFAULTS, seed=seed)


def esasrec(seed: int) -> tm.ESASRec:
    """Gated residuals and SwiGLU."""
    return tm.ESASRec(epochs=13, **EARLIER_DEFAULTS, seed=seed)


def bsarec(seed: int) -> tm.BSARec:
    """Attention beside a filter."""
    return tm.BSARec(**DEPLOYED_BSAREC, seed=seed)


def blend(seed: int) -> tm.Blend:
    """Two sequence models and two linear ones."""
    return tm.Blend(
        parts=("bsarec", "sasrec", "ease", "ials"),
        weights=(0.33, 0.5, 0.08, 0.08),
        bsarec=DEPLOYED_BSAREC,
        sasrec=DEPLOYED_SASREC,
        ease=EASE | {"neighbours": 100},
        ials=IALS,
        seed=seed,
    )


def bsarec_with_features(seed: int) -> tm.BSARec:
    """BSARec whose items bring their categories, brand and words along."""
    return tm.BSARec(**DEPLOYED_BSAREC | WITH_FEATURES, seed=seed)


def blend_with_features(seed: int) -> tm.Blend:
    """Two sequence models whose items bring their features along."""
    return tm.Blend(
        parts=("bsarec", "sasrec"),
        weights=(0.5, 0.5),
        bsarec=DEPLOYED_BSAREC | WITH_FEATURES,
        sasrec=DEPLOYED_SASREC | WITH_FEATURES,
        seed=seed,
    )


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        popularity, itemknn, ease, ials, mf, multvae, lightgcn, sasrec, esasrec, bsarec, blend,
        bsarec_with_features, blend_with_features,
    )
}  # fmt: skip

PUBLISHED = {"ease": ("0.0781 / 0.0434", "λ = 100, computed on this split")}
"""HR@10 / NDCG@10 that are to be reached, by recipe, and whose they are."""
