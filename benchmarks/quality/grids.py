"""What search.py tries: settings by model, written down so that others can see what was not."""

from typing import Any

Settings = dict[str, Any]

_MF: Settings = {
    "embedding_size": 512, "epochs": 100, "patience": 4, "batch_size": 256, "learning_rate": 2e-3,
}  # fmt: skip
_GMF: Settings = _MF | {"loss": "softmax"}

GRIDS: dict[str, list[Settings]] = {
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
    "itemknn": [
        {"similarity": s, "neighbours": k}
        for s in ("cosine", "tfidf", "bm25")
        for k in (20, 100, 300)
    ],
}  # fmt: skip
