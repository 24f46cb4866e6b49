"""Open files: the limit of a process, and how many connections it allows."""

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

BACKLOG = 256
"""Maximum number of connections in the listen queue, all of which may be accepted at once."""

RESERVED = 256
"""File descriptors besides connections: the run, the database, logs, pipes of a training."""


def raise_file_limit(connections: int) -> None:
    """Raises the soft limit on open files to fit the connections, as far as the hard limit allows.

    Processes that are started afterwards inherit the limit.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    required = connections + BACKLOG + RESERVED
    if soft != resource.RLIM_INFINITY and soft < required:
        new_limit = required if hard == resource.RLIM_INFINITY else min(required, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (new_limit, hard))


def connections_that_fit(max_connections: int) -> int:
    """Returns the wanted number of connections, or fewer if the limit on open files is lower."""
    if resource is None:
        return max_connections
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return max_connections
    return max(1, min(max_connections, soft - BACKLOG - RESERVED))
