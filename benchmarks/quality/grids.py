"""What search.py tries: settings by model, written down so that others can see what was not."""

from typing import Any

Settings = dict[str, Any]

_MF: Settings = {"epochs": 100, "patience": 5, "batch_size": 128, "learning_rate": 1e-3}

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
        _MF | {"embedding_size": 512, "regularization": 0.03},
        _MF | {"embedding_size": 512, "regularization": 0.03, "batch_size": 64},
        _MF | {"embedding_size": 256, "regularization": 0.03},
        _MF | {"embedding_size": 256, "regularization": 0.02},
    ],
    "itemknn": [
        {"similarity": s, "neighbours": k}
        for s in ("cosine", "tfidf", "bm25")
        for k in (20, 100, 300)
    ],
}  # fmt: skip
