"""Training by several processes on a Ray cluster, which Ray Train starts and joins to a group."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from tastemaker.cluster.group import LONGEST_WAIT_S, backend_for
from tastemaker.cluster.ray_tasks import (
    MAX_RETRIES,
    RayCluster,
    change_folder,
    dropping_output_of_ray,
    first_line,
)
from tastemaker.errors import ClusterError, LostProcessError, UnsupportedError

try:
    import ray
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError:
    raise UnsupportedError(
        "training with ray=… needs Ray Train; install it with: pip install 'tastemaker[ray]'"
    ) from None

OUTPUT_EVERY_S = 0.5
"""Seconds between two looks for output of the processes."""

SETTLING_S = 2.0
"""Seconds after which a process that has lost another one knows whether that one reported an error
instead of being killed."""


def train_together(
    cluster: RayCluster,
    work: Callable[[bool], None],
    n: int,
    run_folder: Path,
    write: Callable[[str, str], None],
) -> None:
    """Calls a function in each of n processes on the cluster, which form a group.

    If a process is lost, all are started again, at most MAX_RETRIES times.

    Args:
        cluster: the cluster; each process has the CPUs and GPUs of one of its tasks.
        work: the function; it can be pickled. Its argument is whether the processes were started
            before, so that what they have written is continued.
        n: number of processes.
        run_folder: where the run is written, in a folder that all nodes share.
        write: receives what process 0 prints: "stdout" or "stderr", and the text.

    Raises:
        Exception: raised by `work`, which is not called again.
        LostProcessError: processes were lost too often.
    """
    # On the node of this process, so that the output is not lost with another node.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    relay: Any = ray.remote(_Relay).options(num_cpus=0, scheduling_strategy=here).remote()
    device = torch.device("cuda" if cluster.gpus_per_task else "cpu")
    resources = {"CPU": cluster.cpus_per_task, "GPU": cluster.gpus_per_task}
    own_files = run_folder.absolute().with_name(f".{run_folder.name}.ray")
    trainer = TorchTrainer(
        _run,
        train_loop_config={"relay": relay, "work": work, "folder": Path.cwd()},
        torch_config=TorchConfig(backend=backend_for(device), timeout_s=LONGEST_WAIT_S),
        scaling_config=ray.train.ScalingConfig(
            num_workers=n, use_gpu=bool(cluster.gpus_per_task), resources_per_worker=resources
        ),
        run_config=ray.train.RunConfig(
            name=own_files.name,
            storage_path=str(own_files.parent),
            failure_config=ray.train.FailureConfig(max_failures=MAX_RETRIES),
        ),
    )
    try:
        _fit(trainer, relay, write)
    except ray.train.TrainingFailedError as error:
        failures = getattr(error, "worker_failures", {})
        raise LostProcessError(
            f"the training was started {MAX_RETRIES + 1} times on the Ray cluster, and lost a "
            f"process each time: {first_line(next(iter(failures.values()), error))}"
        ) from error
    finally:
        shutil.rmtree(own_files, ignore_errors=True)
    errors = ray.get(relay.errors.remote())
    # Of the errors of several processes, one is a mistake, and the others report that it was made.
    for mistake in sorted(errors, key=lambda error: isinstance(error, ClusterError)):
        raise mistake


class _Relay:
    """An actor that keeps what process 0 prints, the errors of all, and how often they started."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []
        self._errors: list[Exception] = []
        self._starts: dict[int, int] = {}

    def start(self, rank: int) -> int:
        """Counts the starts of a process; returns their number."""
        self._starts[rank] = self._starts.get(rank, 0) + 1
        return self._starts[rank]

    def write(self, stream: str, text: str) -> None:
        self._lines.append((stream, text))

    def taken(self) -> list[tuple[str, str]]:
        """Returns what was printed since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def fail(self, error: Exception) -> None:
        self._errors.append(error)

    def errors(self) -> list[Exception]:
        return self._errors


class _Stream(StringIO):
    """A text file that also passes on to an actor what is printed."""

    def __init__(self, relay: Any, name: str) -> None:
        super().__init__()
        self._relay, self._name = relay, name

    @override
    def write(self, text: str) -> int:
        n_written = super().write(text)
        self._relay.write.remote(self._name, text)
        return n_written


def _run(config: dict[str, Any]) -> None:
    """Does the work of one process."""
    relay, work, rank = config["relay"], config["work"], ray.train.get_context().get_world_rank()
    n_starts = ray.get(relay.start.remote(rank))
    logging.disable(logging.WARNING)  # Ray Train writes logs to standard error.
    out, err = (_Stream(relay, name) if rank == 0 else StringIO() for name in ("stdout", "stderr"))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            change_folder(config["folder"])
            work(n_starts > 1)
        except LostProcessError:
            time.sleep(SETTLING_S)
            if not ray.get(relay.errors.remote()):
                raise  # so that Ray Train starts all processes again
        except Exception as error:
            ray.get(relay.fail.remote(error))


def _fit(trainer: TorchTrainer, relay: Any, write: Callable[[str, str], None]) -> None:
    """Trains, and writes what the processes print until they have ended.

    The trainer runs in a thread, since in the main one it would exit with code 0 on Ctrl-C. Its
    processes end when this process leaves the cluster.
    """
    fitted: Future[None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
            fitted.set_result(None)
        except BaseException as error:
            fitted.set_exception(error)

    threading.Thread(target=fit, name="tastemaker-trainer", daemon=True).start()
    is_last = False
    while not is_last:
        with dropping_output_of_ray():
            is_last = bool(wait([fitted], OUTPUT_EVERY_S).done)
        for stream, text in ray.get(relay.taken.remote()):
            write(stream, text)
    fitted.result()
