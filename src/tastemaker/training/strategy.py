"""How the Trainer takes part in a group of processes that train one network together."""

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
        """Does nothing, since the group exists already; neither does `set_global_rank`."""

    @override
    def set_global_rank(self, rank: int) -> None:
        pass


def group_strategy() -> DDPStrategy:
    """Returns a strategy that averages the gradients of all processes of the group.

    Some networks have parameters that do not take part in the loss, such as the vectors of gaps of
    time if the data have no times.
    """
    return DDPStrategy(
        cluster_environment=GroupEnvironment(),
        static_graph=True,
        broadcast_buffers=False,
    )
