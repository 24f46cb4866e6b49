"""What the contenders of RecBole have in common: its file format, configuration and data set."""

from pathlib import Path
from typing import Any

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


def prepared(model: str, dataset: str, settings: dict[str, Any]) -> tuple[Config, Any, Any]:
    """The configuration, the training batches and the test batches, as `run_recbole` makes them.

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
    train, _, test = data_preparation(config, create_dataset(config))
    return config, train, test
