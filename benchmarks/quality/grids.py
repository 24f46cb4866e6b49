"""What search.py tries, by data set and model, written down so that others see what was not."""

from typing import Any

Settings = dict[str, Any]

_MF: Settings = {
    "embedding_size": 512, "epochs": 100, "patience": 4, "batch_size": 256, "learning_rate": 2e-3,
}  # fmt: skip
_GMF: Settings = _MF | {"loss": "softmax"}

_SASREC: Settings = {"epochs": 60, "patience": 4}
_SIMILARITIES: list[Settings] = [
    {"similarity": s, "neighbours": k} for s in ("cosine", "tfidf", "bm25") for k in (20, 100, 300)
]

_SEQUENCES: dict[str, list[Settings]] = {
    "itemknn": _SIMILARITIES,
    "ease": [{"regularization": λ} for λ in (50, 100, 200, 400)],
    "ials": [
        {"embedding_size": d, "alpha": α, "regularization": λ}
        for d, α, λ in ((64, 5, 10), (64, 20, 10), (128, 20, 10), (256, 20, 10), (256, 50, 20))
    ],
    "mf": [
        {"embedding_size": d, "regularization": λ, "epochs": 60, "patience": 4, "batch_size": 256}
        for d, λ in ((64, 0.03), (128, 0.03), (128, 0.1), (128, 0.3))
    ],
}
"""What is tried alike on every data set of sequences."""

GRIDS: dict[str, dict[str, list[Settings]]] = {
    "ncf-ml-1m": {
        "ease": [{"regularization": λ} for λ in (300, 500, 700, 1000, 1500)],
        "ials": [
            {"embedding_size": d, "alpha": α, "regularization": λ}
            for d, α, λ in (
                (64, 5, 30), (64, 10, 50), (128, 5, 50), (128, 10, 70),
                (256, 3, 50), (256, 5, 70), (256, 5, 100), (256, 8, 100),
            )
        ],
        "mf": [
            _MF | {"regularization": λ, "regularization_exponent": ν}
            for λ, ν in ((0.03, 1.0), (0.025, 0.75), (0.025, 0.5), (0.03, 0.5), (0.03, 0.25))
        ],
        "gmf": [_GMF | {"regularization": 0.03, "regularization_exponent": 0.5}],
        "itemknn": _SIMILARITIES,
    },
    "amazon-beauty": _SEQUENCES,
    "sasrec-games": _SEQUENCES,
    "ml-100k": _SEQUENCES,
}  # fmt: skip
