"""Rate limits for keys, and for the client addresses of requests without a valid key."""

import time
from collections import OrderedDict

from tastemaker.serving.http.problems import TooBusyError

MAX_CALLERS = 10_000
"""Maximum number of buckets; those of the least recently active callers are removed."""


class Rates:
    """A token bucket for each caller, filled at a steady rate and emptied by requests."""

    def __init__(self, rate: float, burst: int) -> None:
        """Takes the number of tokens a second (0 for no limit), and how many a bucket holds."""
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Takes a token from a caller's bucket.

        Raises:
            TooBusyError: no token is left.
        """
        if not self._rate:
            return
        now = time.monotonic()
        tokens, updated_at = self._buckets.pop(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - updated_at) * self._rate)
        self._buckets[caller] = (tokens - 1 if tokens >= 1 else tokens), now
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            raise TooBusyError(
                f"more than {self._rate:g} requests per second; wait, or combine several requests"
            )
