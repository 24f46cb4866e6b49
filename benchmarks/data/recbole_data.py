"""The same with RecBole, from its own file format; its imports are not counted."""

from pathlib import Path

import pandas as pd

from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed
from training.recbole_session import LEAVE_ONE_OUT, prepared, write_atomic_file

COLUMNS = {"userId": "user_id", "movieId": "item_id", "timestamp": "timestamp"}
SETTINGS = {"load_col": {"inter": list(COLUMNS.values())}, "eval_args": LEAVE_ONE_OUT}


def preparing(order: Order) -> Repetition:
    """Reading, encoding and splitting; writing its file is not counted."""
    prepare_quietly(order)
    frame = pd.read_csv(Path(order.generated) / "ratings.csv", usecols=list(COLUMNS))
    rows = len(frame)
    write_atomic_file(frame.rename(columns=COLUMNS), Path("ratings") / "ratings.inter")
    del frame

    def once() -> Answer:
        seconds, _ = timed(lambda: prepared("BPR", "ratings", SETTINGS))
        return {"seconds": seconds, "work": 1, "rows": rows}

    return once


if __name__ == "__main__":
    serve(preparing=preparing)
