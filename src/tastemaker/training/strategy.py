"""How the Trainer takes part in a group of processes that train one network together."""

import signal
import threading

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.environments import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy
from typing_extensions import override

from tastemaker.process_group import n_processes, process_rank


class GroupEnvironment(ClusterEnvironment):
    """Describes the group that this process has joined already.

    Every process counts as a node of its own with one device, so that nothing depends on how the
    processes are distributed over machines.
    """

    creates_processes_externally = True
    main_address = ""
    main_port = 0

    @staticmethod
    @override
    def detect() -> bool:
        return False

    @override
    def world_size(self) -> int:
        return n_processes()

    @override
    def global_rank(self) -> int:
        return process_rank()

    @override
    def node_rank(self) -> int:
        return process_rank()

    @override
    def local_rank(self) -> int:
        return 0

    @override
    def set_world_size(self, size: int) -> None:
        """Does nothing, since the group exists already, and so do the other setters."""

    @override
    def set_global_rank(self, rank: int) -> None:
        pass


def group_strategy() -> DDPStrategy:
    """Returns a strategy that averages the gradients of all processes of the group."""
    return DDPStrategy(
        cluster_environment=GroupEnvironment(),
        # Every batch uses the same parameters. Some are never used, such as the vectors of gaps of
        # time if the data have no times; they would be an error if the graph were not static.
        static_graph=True,
        broadcast_buffers=False,
    )


class EndOnSigterm(Callback):
    """Lets SIGTERM end this process at once, without the other processes.

    Lightning's handler would first send them a message, for which they wait only if they receive
    the signal between the same two batches.
    """

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Replaces Lightning's handler, which is removed when training ends."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
