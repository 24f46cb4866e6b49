"""Data: from a file to an encoded, split data set, and how the cost grows with it."""

from typing import Any

from harness.task import Aim, Contender, Task

MILLION = 1_000_000
ML_20M = 20_000_263
"""The number of rows of MovieLens 20M."""


def _preparation_task(
    name: str, title: str, rows: int, layout: str, aims: tuple[Aim, ...] = (), quick: bool = True
) -> Task:
    """Ours, pandas, and the libraries that can process a data set of this size."""
    options = {"rows": rows, "layout": layout}
    quick_options: dict[str, Any] | None = {} if quick else None
    contenders = [
        Contender("Tastemaker", "data/ours.py", options=options, quick=quick_options, aims=aims),
        Contender(
            "a pandas script",
            "data/pandas_script.py",
            package="pandas",
            options=options,
            quick=quick_options,
        ),
    ]
    if layout == "csv" and rows <= 5 * MILLION:
        contenders.append(
            Contender("RecTools", "data/rectools_data.py", "rectools", options=options, quick=None)
        )
    if layout == "csv" and rows <= MILLION:
        contenders.append(
            Contender(
                "RecBole",
                "data/recbole_data.py",
                "recbole",
                options=options,
                quick=None,
                note="From a file of its own format, which is written beforehand.",
            )
        )
    return Task(
        name=name,
        title=title,
        measure="preparing",
        unit="the data set",
        show="seconds",
        fresh=True,
        allowance_s=20,
        contenders=tuple(contenders),
    )


def _growth_task(
    name: str,
    title: str,
    measure: str,
    unit: str,
    aims: tuple[Aim, ...] = (),
    limit_s: float | None = None,
) -> Task:
    """Ours at four sizes; the time of each may be limited."""
    limits = {} if limit_s is None else {"limit_s": limit_s}
    quick = {} if limit_s is None else {"limit_s": limit_s / 10}
    sizes = (MILLION, 5 * MILLION, ML_20M, 100 * MILLION)
    return Task(
        name=name,
        title=title,
        measure=measure,
        unit=unit,
        show="seconds",
        fresh=True,
        growth=True,
        least=1,
        allowance_s=8,
        contenders=tuple(
            Contender(
                f"{rows // MILLION} million",
                "data/ours.py",
                options={"rows": rows, "layout": "parquet"} | limits,
                quick=quick if rows <= 5 * MILLION else None,
                aims=aims if rows == sizes[-1] else (),
            )
            for rows in sizes
        ),
    )


TASKS = (
    _preparation_task(
        "prepare-1m", "From CSV of 1 million rows to a split data set", MILLION, "csv"
    ),
    _preparation_task(
        "prepare-5m",
        "From CSV of 5 million rows to a split data set",
        5 * MILLION,
        "csv",
        quick=False,
    ),
    _preparation_task(
        "prepare-20m",
        "From CSV of 20 million rows to a split data set",
        ML_20M,
        "csv",
        (Aim("seconds", 10), Aim("peak_gib", 2.5)),
        quick=False,
    ),
    _preparation_task(
        "prepare-20m-parquet",
        "From Parquet of 20 million rows to a split data set",
        ML_20M,
        "parquet",
        (Aim("seconds", 4),),
        quick=False,
    ),
    _growth_task(
        "scale-preparing",
        "How preparing grows with the data (Parquet)",
        "preparing",
        "to a split data set",
        (Aim("peak_gib", 24),),
    ),
    _growth_task(
        "scale-training",
        "How training NCF grows with the data",
        "epoch",
        "an epoch of NCF",
        limit_s=20.0,
    ),
)
