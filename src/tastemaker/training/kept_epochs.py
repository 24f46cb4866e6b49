"""The epochs that a training keeps: the last one, to resume from, and the best one, its result."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from tastemaker.errors import ConfigError
from tastemaker.training.checkpoint import SafetensorsIO
from tastemaker.training.module import RankingModule
from tastemaker.training.run import TrainingLog

SUFFIX = ".safetensors"
BEST = "best"


class KeptEpochs:
    """The checkpoints in the folder of a training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "checkpoints"
        self.last = self._folder / f"last{SUFFIX}"
        self.best = self._folder / f"{BEST}{SUFFIX}"

    def remove(self) -> None:
        """Removes those of an earlier training."""
        self.last.unlink(missing_ok=True)
        self.best.unlink(missing_ok=True)

    def callback(self, monitored: str | None) -> ModelCheckpoint:
        """Returns Lightning's callback that writes them after each epoch.

        Args:
            monitored: the metric that decides which epoch is the best; None for the last one.
        """
        checkpointing = MovableCheckpoint(
            dirpath=self._folder,
            filename=BEST,
            monitor=monitored,
            mode="max",
            save_top_k=1,
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        checkpointing.FILE_EXTENSION = SUFFIX
        return checkpointing

    def refuse_others(self, module: RankingModule) -> None:
        """Checks that the last epoch, if there is one, is of a network like that of the module.

        Raises:
            ConfigError: the network had other weights or other sizes of them.
        """
        if not self.last.exists():
            return
        kept = SafetensorsIO().load_checkpoint(self.last)["state_dict"]
        if _shapes(kept) != _shapes(module.state_dict()):
            raise ConfigError(
                f"{self._folder.parent} has the checkpoint of another network; resume with the "
                "settings and data of that training, or train without resume=True"
            )

    def used_up_patience(self, early_stopping: EarlyStopping | None) -> bool:
        """Returns whether the last epoch had ended the training, so that none may follow."""
        if early_stopping is None or not self.last.exists():
            return False
        states = SafetensorsIO().load_checkpoint(self.last)["callbacks"]
        n_waited = states.get(early_stopping.state_key, {}).get("wait_count", 0)
        return n_waited >= early_stopping.patience

    def load_best(self, module: RankingModule, log: TrainingLog) -> None:
        """Gives the module the weights of the best epoch, and the log its number."""
        io = SafetensorsIO()
        best = io.load_checkpoint(self.best)
        module.load_best(best["state_dict"])
        module.network.eval()
        log.best_epoch = int(best["epoch"]) + 1
        # A training that had stopped early and is resumed runs no epoch that restores the records.
        log.records = log.records or next(
            state["records"]
            for state in io.load_checkpoint(self.last)["callbacks"].values()
            if "records" in state
        )


def _shapes(state: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values.shape) for name, values in state.items()}


class MovableCheckpoint(ModelCheckpoint):
    """Keeps track of the best epoch even if the folder was moved or renamed before a resume."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads the state with its paths in the current folder; ModelCheckpoint would drop it."""
        folder = Path(str(self.dirpath))
        moved = {
            key: str(folder / Path(path).name) if path else path
            for key, path in state_dict.items()
            if key in ("best_model_path", "kth_best_model_path", "last_model_path")
        }
        best = {
            str(folder / Path(path).name): score
            for path, score in state_dict["best_k_models"].items()
        }
        super().load_state_dict(
            state_dict | moved | {"dirpath": self.dirpath, "best_k_models": best}
        )
