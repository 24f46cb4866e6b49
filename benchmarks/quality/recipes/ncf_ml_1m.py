"""MovieLens 1M as split by the NCF paper: one function a model, with the settings found."""

import tastemaker as tm
from recipes.defaults import popularity
from tastemaker.models.factorization.gmf import GMFConfig
from tastemaker.models.factorization.ncf import MLPConfig


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF."""
    return tm.ItemKNN(similarity="tfidf", neighbours=100)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(regularization=1000)


def ials(seed: int) -> tm.IALS:
    """Alternating least squares on all pairs."""
    return tm.IALS(embedding_size=256, alpha=5, regularization=70, seed=seed)


def mf(seed: int) -> tm.MF:
    """A dot product, trained by softmax over the whole catalog."""
    return tm.MF(
        embedding_size=512,
        regularization=0.03,
        regularization_exponent=0.5,
        learning_rate=2e-3,
        batch_size=256,
        epochs=52,
        seed=seed,
    )


def ncf(seed: int) -> tm.NCF:
    """The tutorial's sizes, trained for longer."""
    return tm.NCF(epochs=20, batch_size=1024, seed=seed)


GMF = GMFConfig(
    loss="softmax",
    embedding_size=512,
    regularization=0.03,
    regularization_exponent=0.5,
    learning_rate=2e-3,
    batch_size=256,
    epochs=35,
)
MLP = MLPConfig(
    embedding_size=64, hidden=(64, 32, 16), learning_rate=5e-3, batch_size=2048, epochs=12
)


def gmf(seed: int) -> tm.GMF:
    """One half of NeuMF."""
    return tm.GMF(GMF.model_copy(update={"seed": seed}))


def mlp(seed: int) -> tm.MLP:
    """The other half."""
    return tm.MLP(MLP.model_copy(update={"seed": seed}))


def neumf(seed: int) -> tm.NeuMF:
    """GMF and MLP, each trained alone, then fused.

    On the validation part the MLP half helps most with a tenth of the weight, and every further
    epoch of both together made it worse: hence α and the small step.
    """
    return tm.NeuMF(
        gmf=GMF,
        mlp=MLP,
        alpha=0.9,
        loss="softmax",
        regularization=0.03,
        regularization_exponent=0.5,
        batch_size=64,
        learning_rate=1e-5,
        epochs=1,
        seed=seed,
    )


def neumf_without_pretraining(seed: int) -> tm.NeuMF:
    """The paper's comparison: both halves from scratch, with its loss."""
    return tm.NeuMF(
        pretraining=False,
        gmf=GMFConfig(embedding_size=64),
        mlp=MLP,
        learning_rate=3e-3,
        batch_size=2048,
        epochs=12,
        seed=seed,
    )


def multvae(seed: int) -> tm.MultVAE:
    """A variational autoencoder."""
    return tm.MultVAE(learning_rate=1e-3, batch_size=200, kl_weight=0.2, epochs=39, seed=seed)


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        popularity, itemknn, ease, ials, mf, ncf, gmf, mlp, neumf, neumf_without_pretraining,
        multvae,
    )
}  # fmt: skip

PUBLISHED = {
    "ease": ("0.7177 / 0.448", "λ = 1000, computed on this split"),
    "ials": ("0.7310 / 0.4521", "a notebook of irspack, tuned, 192 dimensions"),
    "mf": ("0.7294 / 0.4523", "Rendle et al. 2020: a dot product, tuned SGD"),
    "neumf": ("0.730 / 0.447", "He et al. 2017, with pre-training"),
}
"""HR@10 / NDCG@10 that are to be reached, by recipe, and whose they are."""
