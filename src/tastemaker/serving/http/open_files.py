"""Files: how many a process may have open, and how many connections that leaves room for."""

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

BACKLOG = 256
"""Connections that the system accepts before the program takes them, all at once if need be."""

RESERVED = 256
"""Files beside connections: the run, the database, logs, pipes of a training."""


def raise_file_limit(connections: int) -> None:
    """Raises the soft limit on open files to what so many connections need, if the hard one lets.

    Processes that are started afterwards inherit it.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + BACKLOG + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def connections_that_fit(wanted: int) -> int:
    """So many connections as are wanted, or fewer if the limit on open files has no room."""
    if resource is None:
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, soft - BACKLOG - RESERVED))
