"""What a user can get wrong, in words that say what, where and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMED = 30
"""Names that an error lists at most."""


class TastemakerError(Exception):
    """Base of every error that is the user's to mend; its text is a complete answer.

    The CLI prints it in one line and exits with 2; the service answers 4xx with the same words.
    """


class DataError(TastemakerError):
    """The data are not what was promised: a missing column, an unreadable time, an empty file."""


class SplitError(TastemakerError):
    """The split asked for does not exist in these data, or would leak the test into training."""


class ConfigError(TastemakerError):
    """A setting is unknown, out of its range, or contradicts another."""


class UnknownIdError(TastemakerError):
    """A user or an item that the model has never heard of."""


class UnsupportedError(TastemakerError):
    """What was asked cannot be done by this model, by this process, or with what is installed."""


class ArtifactError(TastemakerError):
    """A folder on disk is damaged, foreign, from a newer version, or in the way."""


class DownloadError(TastemakerError):
    """A file could not be fetched, or is not the file that was published."""


class ServiceError(TastemakerError):
    """The service refused a request, or could not answer it.

    Args:
        text: what the service said, or why it could not be asked.
        status: of HTTP; None where no answer came.
        retry_after_s: when to try again, where the service said so.
    """

    def __init__(
        self, text: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a clause to append to an error; the first few if none is near."""
    known = list(known)
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    more = len(known) - MOST_NAMED
    return "known: " + ", ".join(known[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
