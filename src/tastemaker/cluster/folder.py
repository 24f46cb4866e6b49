"""The folder of an unfinished run, which process 0 makes and all processes train in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tastemaker.bundle.unfinished import has_unfinished, training_folder, unfinished_folder
from tastemaker.cluster.group import in_agreement
from tastemaker.errors import ArtifactError
from tastemaker.process_group import process_rank


@contextmanager
def shared_training_folder(
    path: Path, identity: dict[str, Any], *, resume: bool, restart: bool
) -> Iterator[Path]:
    """Does the same as `training_folder`, in all processes that train together.

    Raises:
        ArtifactError: as for `training_folder`; or a process does not see the folder of process 0.
        ClusterError: another process has such an error.
    """
    rank = process_rank()
    with ExitStack() as stack:
        with in_agreement():
            if rank == 0:
                stack.enter_context(training_folder(path, identity, resume=resume, restart=restart))
        with in_agreement():
            if rank > 0 and not has_unfinished(path):
                raise ArtifactError(
                    f"{unfinished_folder(path)}: this folder of process 0 is not visible here; "
                    "processes on several machines need a path in a shared file system (path=…)"
                )
        yield unfinished_folder(path)
