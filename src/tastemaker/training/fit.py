"""Fitting a network through Lightning's Trainer, with checkpoints, early stopping and resume."""

import logging
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from tastemaker.errors import ConfigError
from tastemaker.process_group import n_processes
from tastemaker.training.callbacks import (
    BatchProgress,
    EpochLog,
    RandomStateLock,
    StopOnInterrupt,
)
from tastemaker.training.checkpoint import SafetensorsIO
from tastemaker.training.config import TrainingConfig
from tastemaker.training.epochs import Batches
from tastemaker.training.interrupt import Interrupt, TrainingInterruptedError
from tastemaker.training.kept_epochs import KeptEpochs
from tastemaker.training.kernels.kernel import Kernel
from tastemaker.training.module import FusedModule, RankingModule, SharedModule, SteppedModule
from tastemaker.training.network import TrainableNetwork
from tastemaker.training.noise import one_training_at_a_time
from tastemaker.training.run import TrainingLog, TrainingRun
from tastemaker.training.strategy import EndOnSigterm, group_strategy
from tastemaker.training.validation import Validation

LOG_NAME = "epochs.csv"


def fit(
    network: TrainableNetwork,
    batches: Batches,
    config: TrainingConfig,
    validate: Validation | None = None,
    run: TrainingRun | None = None,
    kernel: Kernel | None = None,
    averaging: bool = False,
) -> TrainingLog:
    """Trains the network in place and leaves it with the weights of its best epoch.

    Threads that train at the same time take turns, since they share PyTorch's number of threads and
    its random generators. If several processes train together, each of them calls this function
    with the same network and batches, and ends with the same network.

    Args:
        network: on the device of the batches.
        batches: the batches that the network's loss takes.
        config: the training settings, such as the number of epochs, learning rate and seed.
        validate: measures the metrics of the network after each epoch; one of them decides which
            epoch is the best and when to stop.
        run: the folder for checkpoints and logs, whether to resume, and the progress callback.
        kernel: replaces loss, gradients and optimizer, if there is a kernel for the network; the
            batches are then chunks of batches.
        averaging: whether the weights that are validated and kept are an average over the last
            steps (see `WeightAverage`); not with a kernel.

    Returns:
        The log. After a Ctrl-C, it ends with the last complete epoch and is marked interrupted.

    Raises:
        ConfigError: the patience is set to a value other than the default, but there is no
            validation part; several processes train together without a folder; or the training
            that is to be resumed had another network.
        FloatingPointError: training diverged: the loss is no longer finite.
        SystemExit: SIGTERM was received (exit code 143); the run can be resumed. If several
            processes train together, the signal ends the process without this exception.
        KeyboardInterrupt: Ctrl-C was pressed before the end of the first epoch, so that there is
            nothing to keep, or pressed twice.
    """
    run = run or TrainingRun()
    _check_patience(config, validate)
    with _folder(run) as folder:
        kept = KeptEpochs(folder)
        if not run.resume:
            kept.remove()
        epoch_log, interrupt = EpochLog(folder / LOG_NAME, run, config.epochs), Interrupt()
        early_stopping = _early_stopping(config, validate)
        progress = BatchProgress(run.on_progress, config.epochs) if run.on_progress else None
        optional = [callback for callback in (progress, early_stopping) if callback is not None]
        random_state_lock = ExitStack()
        callbacks: list[Callback] = [
            RandomStateLock(random_state_lock), *optional, StopOnInterrupt(interrupt), epoch_log,
            kept.callback(None if validate is None else validate.monitored),
            *([EndOnSigterm()] if n_processes() > 1 else []),
        ]  # fmt: skip
        device = next(network.parameters()).device
        if kernel is not None:
            module: RankingModule = FusedModule(network, batches, kernel, config, validate)
        else:
            module_type = SharedModule if n_processes() > 1 else SteppedModule
            module = module_type(network, batches, config, validate, averaging)
        kept.refuse_others(module)
        resume_from = kept.last if kept.last.exists() else None
        with one_training_at_a_time(), _quiet_lightning(), random_state_lock:
            trainer = _trainer(device, config, callbacks, folder, log_folder=run.folder)
            if not kept.used_up_patience(early_stopping):
                with interrupt.handling_sigint():
                    epoch_log.training_log.interrupted = _train(trainer, module, resume_from)
        if not kept.last.exists():
            raise KeyboardInterrupt
        kept.load_best(module, epoch_log.training_log)
        return epoch_log.training_log


def _check_patience(config: TrainingConfig, validate: Validation | None) -> None:
    # The default value does not count as set, since a config read from a file sets all fields.
    is_set = config.patience is not None and "patience" in config.changed
    if is_set and validate is None:
        raise ConfigError(
            f"patience is {config.patience}, but the split has no validation part, which early "
            "stopping needs; hold one out, or leave patience unset"
        )


def _train(trainer: Trainer, module: RankingModule, resume_from: Path | None) -> bool:
    """Trains; returns whether a Ctrl-C ended it. Other early ends raise what Python would."""
    try:
        trainer.fit(module, ckpt_path=resume_from)
    except TrainingInterruptedError:
        return True
    except SIGTERMException:
        # Lightning's exception would give exit code 0, which a scheduler takes for success.
        raise SystemExit(128 + signal.SIGTERM) from None
    except SystemExit as exit_error:
        # Lightning turns a second Ctrl-C into a SystemExit, which would also end a notebook.
        if isinstance(exit_error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return False


def _trainer(
    device: torch.device, config: TrainingConfig, callbacks: list[Callback], folder: Path,
    log_folder: Path | None,
) -> Trainer:  # fmt: skip
    has_logger = log_folder is not None and find_spec("tensorboard") is not None
    logger = TensorBoardLogger(folder, name="tensorboard", version="") if has_logger else False
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=1 if device.index is None else [device.index],
        num_nodes=n_processes(),
        strategy=group_strategy() if n_processes() > 1 else "auto",
        max_epochs=config.epochs,
        callbacks=callbacks,
        logger=logger,
        plugins=[SafetensorsIO()],
        default_root_dir=folder,
        reload_dataloaders_every_n_epochs=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _early_stopping(config: TrainingConfig, validate: Validation | None) -> EarlyStopping | None:
    if config.patience is None or validate is None:
        return None
    return EarlyStopping(
        validate.monitored, mode="max", patience=config.patience, check_on_train_epoch_end=True
    )


@contextmanager
def _folder(run: TrainingRun) -> Iterator[Path]:
    if run.folder is None and n_processes() > 1:
        raise ConfigError(
            "several processes that train together need a folder for checkpoints that all of them "
            "can read; give one, as in TrainingRun(folder=…)"
        )
    if run.folder is not None:
        run.folder.mkdir(parents=True, exist_ok=True)
        yield run.folder
        return
    with tempfile.TemporaryDirectory(prefix="tastemaker-") as temporary:
        yield Path(temporary)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silences Lightning's advice on hardware, workers and folders, which is not for our users."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)
