"""The same by a plain pandas script, as one writes it in a notebook."""

from pathlib import Path

from harness.contender import Answer, Order, Repetition, serve, timed


def preparing(order: Order) -> Repetition:
    """Reading, encoding and splitting; what has to be imported for it counts as well."""
    folder = Path(order.generated)

    def once() -> Answer:
        seconds, rows = timed(lambda: _prepare(folder, order.options["layout"]))
        return {"seconds": seconds, "work": 1, "rows": rows}

    return once


def _prepare(folder: Path, layout: str) -> int:
    import pandas as pd

    if layout == "csv":
        frame = pd.read_csv(folder / "ratings.csv")
    else:
        frame = pd.read_parquet(folder / "ratings.parquet")
    rows = len(frame)
    frame = frame.sort_values(["userId", "timestamp"], kind="stable")
    frame = frame.drop_duplicates(["userId", "movieId"], keep="last")
    frame["user"], _ = pd.factorize(frame["userId"])
    frame["item"], _ = pd.factorize(frame["movieId"])
    from_end = frame.groupby("user").cumcount(ascending=False)
    parts = frame[from_end > 1], frame[from_end == 1], frame[from_end == 0]
    assert sum(map(len, parts)) == len(frame)
    return rows


if __name__ == "__main__":
    serve(preparing=preparing)
