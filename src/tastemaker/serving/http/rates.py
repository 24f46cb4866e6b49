"""Rates: how often a key, or an address where there are no keys, may ask."""

import time
from collections import OrderedDict

from tastemaker.serving.http.problems import TooBusyError

MOST_CALLERS = 10_000
"""Remembered at a time; the ones that were silent longest are forgotten."""


class Rates:
    """A bucket of tokens for each caller, filled steadily and emptied by requests."""

    def __init__(self, rate: float, burst: int) -> None:
        """Takes tokens a second, 0 for no limit, and how many a bucket holds."""
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Takes a token.

        Raises:
            TooBusyError: there is none left.
        """
        if not self._rate:
            return
        now = time.monotonic()
        tokens, at = self._buckets.pop(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        self._buckets[caller] = (tokens - 1 if tokens >= 1 else tokens), now
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            raise TooBusyError(
                f"more than {self._rate:g} requests a second; wait, or ask for many at once"
            )
