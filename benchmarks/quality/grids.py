"""What search.py tries, by data set and model, written down so that others see what was not."""

from typing import Any

Settings = dict[str, Any]

EARLIER_DEFAULTS: dict[str, Settings] = {
    model: {"half_life_events": None} for model in ("ease", "itemknn", "ials", "graphfilter")
}
"""Settings, by model, that were the defaults when the grids were tried; a grid may name others."""

_MF: Settings = {
    "embedding_size": 512, "epochs": 100, "patience": 4, "batch_size": 256, "learning_rate": 2e-3,
}  # fmt: skip
_GMF: Settings = _MF | {"loss": "softmax"}

_SIMILARITIES: list[Settings] = [
    {"similarity": s, "neighbours": k} for s in ("cosine", "tfidf", "bm25") for k in (20, 100, 300)
]

_SESSIONS: Settings = {
    "loss": "sampled_softmax", "negatives": 1024, "batch_size": 256, "learning_rate": 4e-3,
    "schedule": "linear", "epochs": 5,
}  # fmt: skip

_LINEAR: Settings = {"ideal_dimensions": 0}

_LARGE: dict[str, list[Settings]] = {
    "itemknn": [
        {"similarity": s, "neighbours": k} for s in ("cosine", "tfidf") for k in (100, 1000)
    ],
    "ease": [{"regularization": λ, "neighbours": 100} for λ in (50, 100, 200, 500)],
    "ials": [{}, {"regularization_exponent": 0.5}, {"regularization_exponent": 1.0}],
}
"""What is tried on the catalogs of some 40,000 items beside graph filters."""

_IALS = ((64, 5, 10), (64, 20, 10), (128, 20, 10), (256, 20, 10), (256, 50, 20))


def _ease(*penalties: float) -> list[Settings]:
    return [{"regularization": λ} for λ in penalties]


def _ials(*settings: tuple[int, float, float]) -> list[Settings]:
    return [{"embedding_size": d, "alpha": α, "regularization": λ} for d, α, λ in settings]


def _ials_by_frequency(*settings: tuple[int, float, float, float]) -> list[Settings]:
    return [
        {"embedding_size": d, "alpha": α, "regularization": λ, "regularization_exponent": ν}
        for d, α, λ, ν in settings
    ]


def _mf(*settings: tuple[int, float], epochs: int = 60) -> list[Settings]:
    return [
        {
            "embedding_size": d,
            "regularization": λ,
            "epochs": epochs,
            "patience": 4,
            "batch_size": 256,
        }
        for d, λ in settings
    ]


def _fading(
    half_lives: tuple[float, ...], key: str, values: tuple[Any, ...], **fixed: Any
) -> list[Settings]:
    return [{"half_life_events": h, key: value, **fixed} for h in half_lives for value in values]


_IN_ORDER: dict[str, list[Settings]] = {
    "itemknn": _fading((3, 5, 10, 20), "neighbours", (100, 300, 1000), similarity="tfidf"),
    "ease": _fading((3, 5, 10, 15, 25), "regularization", (30, 100, 300, 1000)),
    "ials": _fading((3, 5, 10, 20), "embedding_size", (64, 256)),
    "graphfilter": [
        *_fading((3, 5, 10, 20), "user_exponent", (0.2, 0.5), ideal_dimensions=0),
        *_fading((3, 5, 10, 20), "ideal_weight", (0.1, 0.3)),
    ],
}


GRIDS: dict[str, dict[str, list[Settings]]] = {
    "ncf-ml-1m": {
        "ease": _ease(300, 500, 700, 1000, 1500),
        "ials": [
            {},
            *_ials(
                (64, 5, 30), (64, 10, 50), (128, 5, 50), (128, 10, 70),
                (256, 3, 50), (256, 5, 70), (256, 5, 100), (256, 8, 100),
            ),
            *_ials_by_frequency(
                (192, 5, 66, 0.5), (384, 5, 66, 0.5), (192, 2.5, 42, 0.5), (192, 2.5, 35, 1.0),
            ),
        ],
        "mf": [
            _MF | {"regularization": λ, "regularization_exponent": ν}
            for λ, ν in ((0.03, 1.0), (0.025, 0.75), (0.025, 0.5), (0.03, 0.5), (0.03, 0.25))
        ],
        "gmf": [_GMF | {"regularization": 0.03, "regularization_exponent": 0.5}],
        "itemknn": _SIMILARITIES,
    },
    "ncf-ml-1m-order": _IN_ORDER,
    "ml-1m-sequence": _IN_ORDER,
    "amazon-beauty": {
        "itemknn": _SIMILARITIES,
        "ease": _ease(20, 50, 100, 200, 400),
        "ials": [{}, *_ials(*_IALS, (384, 50, 20), (512, 50, 20))],
        "mf": _mf((64, 0.03), (128, 0.1), (128, 0.2), (128, 0.3)),
        "multvae": [
            {
                "hidden": 200, "embedding_size": 100, "batch_size": 200, "learning_rate": 3e-3,
                "kl_weight": β, "anneal_fraction": 0, "epochs": 40, "patience": 4,
            }
            for β in (0.05, 0.2, 0.5)
        ],
        "lightgcn": [
            {"batch_size": 8192, "layers": k, "epochs": 40, "patience": 4, **more}
            for k, more in (
                (3, {}), (2, {}), (3, {"weight_decay": 1e-5}), (3, {"weight_decay": 1e-4}),
                (3, {"learning_rate": 1e-2}),
            )
        ],
    },
    "diginetica": {
        "repeat": [{"half_life_days": 1 / 86_400}],
        "itemknn": _fading((2,), "neighbours", (200,), similarity="cosine"),
        "graphfilter": _fading((1,), "user_exponent", (0.2, 0.5), ideal_dimensions=0),
        "core": [
            _SESSIONS | {"embedding_size": 64},
            _SESSIONS | {"embedding_size": 128, "vector_dropout": 0.3},
            _SESSIONS | {"embedding_size": 128, "vector_dropout": 0.3, "loss": "softmax"},
        ],
        "sasrec": [_SESSIONS | {"length": 20, "dropout": p} for p in (0.3, 0.5)],
    },
    "sasrec-games": {
        "itemknn": [
            *_SIMILARITIES,
            *({"similarity": "tfidf", "neighbours": k} for k in (1000, 3000)),
        ],
        "ease": _ease(100, 200, 500, 1000),
        "mf": _mf((128, 0.1), (128, 0.2), (128, 0.3)),
    },
    "ml-100k": {
        "itemknn": _SIMILARITIES,
        "ease": _ease(50, 100, 200, 300, 400, 500, 800),
        "ials": [
            {},
            *_ials(
                *_IALS,
                (32, 5, 10), (64, 2, 10), (64, 2, 30), (64, 5, 20), (64, 5, 40), (64, 10, 40),
                (128, 2, 30), (128, 5, 40), (128, 5, 60),
            ),
        ],
        "mf": _mf(
            (64, 0.03), (128, 0.01), (128, 0.02), (128, 0.03), (128, 0.05), (128, 0.1), (128, 0.3),
            (256, 0.03), (512, 0.03),
        ),
    },
    "gowalla": {
        "graphfilter": [
            _LINEAR | {"user_exponent": 0.3, "popularity_exponent": 0.2},
            _LINEAR | {"user_exponent": 0.2, "popularity_exponent": 0.2},
            {},
            _LINEAR | {"popularity_exponent": 0.2},
        ],
        **_LARGE,
    },
    "yelp2018": {
        "graphfilter": [
            {"ideal_weight": 0.1, "ideal_exponent": 0.1},
            {"user_exponent": 0.4, "ideal_weight": 0.05, "ideal_exponent": 0.1},
            {},
            _LINEAR,
        ],
        **_LARGE,
    },
}  # fmt: skip
