"""Training of the other models: those in closed form whole, the others for an epoch."""

from typing import Any

from harness.task import Aim, Contender, Task

NO_SLOWER = (Aim("times", 1),)
FIRST_BATCHES = "The first batches of an epoch stand for all."


def _ours(model: str, data: str, **options: Any) -> Contender:
    options = {"model": model, "data": data} | options
    return Contender("Tastemaker", "training/models/ours.py", options=options)


def _peer(library: str, model: str, data: str, note: str = "", **options: Any) -> Contender:
    return Contender(
        library,
        f"training/models/{library.lower()}_models.py",
        library.lower(),
        options={"model": model, "data": data} | options,
        quick=None,
        aims=NO_SLOWER,
        note=note,
    )


def _task(
    name: str, title: str, unit: str, *contenders: Contender, measure: str = "fitting", **rules: int
) -> Task:
    return Task(
        name=name,
        title=title,
        measure=measure,
        unit=unit,
        show="seconds",
        contenders=contenders,
        **rules,
    )


TASKS = (
    _task(
        "fit-ease-beauty",
        "Fitting EASE to 12,101 items",
        "a fit",
        _ours("ease", "beauty", warm_up=False),
        _peer("RecTools", "ease", "beauty", warm_up=False),
        least=1,
    ),
    _task(
        "fit-ease-games",
        "Fitting EASE to 23,715 items",
        "a fit",
        _ours("ease", "games", warm_up=False),
        repeats=1,
        least=1,
    ),
    _task(
        "fit-itemknn",
        "Fitting 100 neighbours of 3,704 items to 994,169 interactions",
        "a fit",
        _ours("itemknn", "ml-1m"),
        Contender(
            "implicit",
            "training/models/implicit_itemknn.py",
            package="implicit",
            options={"data": "ml-1m"},
            aims=NO_SLOWER,
        ),
    ),
    _task(
        "fit-multvae",
        "Training MultVAE",
        "an epoch",
        _ours("multvae", "ml-1m"),
        _peer("RecBole", "MultiVAE", "ml-1m"),
    ),
    _task(
        "fit-lightgcn",
        "Training LightGCN",
        "an epoch",
        _ours("lightgcn", "ml-1m"),
        _peer("RecBole", "LightGCN", "ml-1m", FIRST_BATCHES, batches=30),
    ),
    _task(
        "fit-gru4rec",
        "Training GRU4Rec with a softmax over the catalog",
        "an epoch",
        _ours("gru4rec", "games"),
        _peer(
            "RecBole",
            "GRU4Rec",
            "games",
            f"Each prefix of a history is a sequence. {FIRST_BATCHES}",
            batches=20,
        ),
    ),
    _task(
        "fit-hstu",
        "Training HSTU with a softmax over the catalog",
        "an epoch",
        _ours("hstu", "games"),
        _peer("RecTools", "hstu", "games", FIRST_BATCHES, batches=8),
    ),
    _task(
        "from-csv-ease",
        "From a CSV file of MovieLens 1M to EASE",
        "file and fit",
        _ours("ease", "ml-1m-in-order"),
        _peer("RecTools", "ease", "ml-1m-in-order"),
        _peer("RecBole", "EASE", "ml-1m-in-order", "From a file of its own format."),
        measure="from_csv",
    ),
    _task(
        "from-csv-ials",
        "From a CSV file of MovieLens 1M to iALS of 64 dimensions and 15 epochs",
        "file and fit",
        _ours("ials", "ml-1m-in-order"),
        _peer("RecTools", "ials", "ml-1m-in-order", "With the package implicit."),
        measure="from_csv",
    ),
)
