"""Models with their defaults, which no table tunes: the same recipes wherever they stand."""

from typing import Any

import tastemaker as tm

EARLIER_DEFAULTS: dict[str, Any] = {
    "length": 50, "batch_size": 128, "averaging": False, "distances": False,
}  # fmt: skip
"""Settings of sequence models that were the defaults when some tables were measured. Of histories
of more than 51 events, only the latest were learned from then."""


UNFADED: dict[str, Any] = {"half_life_events": None}
"""The same for models whose interactions can fade, which they did not by default."""


def popularity(seed: int) -> tm.Popularity:
    """What most people touched: the floor."""
    return tm.Popularity()
