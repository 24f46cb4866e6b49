"""Errors that a user can correct; their messages give the problem, its place and a remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_LISTED_NAMES = 30
"""Maximum number of names that an error message lists."""


class TastemakerError(Exception):
    """Base class of all errors that a user can correct; the text is a complete message.

    The CLI prints it on one line and exits with code 2. The service responds with the same text and
    the status that `serving/http/problems.py` gives to the class, which is 422 for most.
    """


class DataError(TastemakerError):
    """The data are not as expected: a missing column, an unreadable time, an empty file."""


class SplitError(TastemakerError):
    """The requested split is impossible with these data, or would leak the test into training."""


class ConfigError(TastemakerError):
    """A setting is unknown, out of its range, or contradicts another."""


class UnknownIdError(TastemakerError):
    """A user or an item is unknown to the model."""


class UnsupportedError(TastemakerError):
    """The operation is not supported by this model, this process or the installed packages."""


class ArtifactError(TastemakerError):
    """A folder on disk is damaged, of another kind, of a newer version, or must not be replaced."""


class ClusterError(TastemakerError):
    """Processes that train together have different data or settings, or one of them failed."""


class LostProcessError(ClusterError):
    """A process that trains together with others was ended, or cannot be reached."""


class DownloadError(TastemakerError):
    """A file could not be fetched, or is not the file that was published."""


class ServiceError(TastemakerError):
    """The service refused a request, or could not answer it.

    Args:
        text: the message of the service, or the reason why there was no response.
        status: HTTP status; None if there was no response.
        retry_after_s: seconds after which to try again, if the service gave them.
    """

    def __init__(
        self, text: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a clause for an error: the nearest known name, or the first few if none is near."""
    known = list(known)
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    n_more = len(known) - MAX_LISTED_NAMES
    more = f" and {n_more:,} more" if n_more > 0 else ""
    return f"known: {', '.join(known[:MAX_LISTED_NAMES])}{more}"


def reason_of(error: Exception) -> str:
    """Returns an error in one line, with its type unless it is a TastemakerError."""
    text = " ".join(str(error).split())
    if isinstance(error, TastemakerError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
