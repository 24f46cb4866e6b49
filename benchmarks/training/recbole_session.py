"""What the contenders of RecBole have in common: its file format, configuration and data set."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import init_seed

LEAVE_ONE_OUT = {
    "split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "full",
}  # fmt: skip


def write_atomic_file(frame: pd.DataFrame, path: Path) -> None:
    """Writes a table in RecBole's format, with ids as tokens."""
    path.parent.mkdir(exist_ok=True)
    types = {name: "float" if name == "timestamp" else "token" for name in frame.columns}
    frame.rename(columns=lambda name: f"{name}:{types[name]}").to_csv(path, sep="\t", index=False)


class Prepared(NamedTuple):
    """What `run_recbole` makes before it trains."""

    config: Config
    train: Any
    """Batches, as are the others."""
    validation: Any
    test: Any


def prepared(model: str, dataset: str, settings: dict[str, Any]) -> Prepared:
    """The configuration and the batches of each part, as `run_recbole` makes them.

    Args:
        model: name of the model.
        dataset: name of the data set, which is a folder with its files in the working folder.
        settings: options of RecBole.
    """
    folder = Path.cwd()
    common = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "use_gpu": False,
        "show_progress": False,
        "state": "WARNING",
    }
    config = Config(model=model, dataset=dataset, config_dict=common | settings)
    init_seed(config["seed"], config["reproducibility"])
    return Prepared(config, *data_preparation(config, create_dataset(config)))
