"""The events of the invented shop: visits with views, carts and purchases; reorders; returns.

The period has steps of two weeks. In a step, a visitor comes at most once, and looks for products
of one department. What visitors have bought and rejected until then decides what they view next.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tastemaker.data.shop_products import (
    BRANDS,
    DAY_S,
    DEPARTMENTS,
    FIRST_TIMESTAMP,
    PERIOD_DAYS,
    Products,
)
from tastemaker.data.shop_visitors import Visitors

STEP_DAYS = 15
N_STEPS = PERIOD_DAYS // STEP_DAYS

VISIT_PERCENT = 55
"""Probability, in percent, that a visitor comes in a step."""

LOOKS_AROUND_PERCENT = 65
"""Percentage of views that say nothing about taste: visitors look at products that have attention,
and at those of a brand that they do not buy."""

BRAND_FACTOR, BAND_FACTOR, DEPARTMENT_FACTOR = 30, 6, 20
"""Factors by which the other views prefer a favourite brand, the preferred price band, and the
department that the visitor is looking for."""

NEW_NEED_PERCENT = 35
"""Probability, in percent, that a visitor looks for another department than in the last step."""

NEW_PRODUCT_FACTOR, NEW_FOR_DAYS = 3, 45
"""Factor by which a product is more popular in the days after its launch."""

SEASON_FACTOR = 3
"""Factor by which a department is more popular in its season, an eighth of the period."""

CART_PERCENT = (1, 20, 55)
BUY_PERCENT = (20, 50, 75)
"""Probability, in percent, that a viewed product is put into the cart, and that it is then bought:
of another brand; of a favourite brand in another price band; and in the preferred price band."""

SECONDS = (12, 45, 150)
"""Range of the two draws whose scaled product is the length of a view, likewise."""

VIEW_S = 900
"""Time from the start of a view to the start of the next."""

REORDER_PERCENT = 80
"""Probability, in percent, that a consumable is bought once more after its last purchase."""

LONGEST_REORDERS = 20
RHYTHM_JITTER_DAYS = 2

RETURN_PERCENT, DISAPPOINTED_PERCENT = 2, 85
"""Probability, in percent, that a product is returned, and that one of the brand is that
disappoints the visitor. From the next step on, the visitor has rejected that brand."""

RETURN_DAYS = (2, 12)

KINDS = ("view", "addtocart", "purchase", "return")
VIEW, CART, PURCHASE, RETURN = range(4)


@dataclass(frozen=True)
class _Views:
    """Views in a step: the visitor, the product, and the time of each, in the order of visits."""

    visitors: np.ndarray
    products: np.ndarray
    times: np.ndarray
    visit_ends: np.ndarray


class EventLog:
    """Simulates the shop step by step, and collects the events."""

    def __init__(self, visitors: Visitors, products: Products, random: np.random.Generator) -> None:
        self._visitors, self._products, self._random = visitors, products, random
        n_visitors = len(visitors.countries)
        self._has_bought = np.zeros((n_visitors, len(products.brands)), dtype=bool)
        self._has_rejected = np.zeros((n_visitors, len(BRANDS)), dtype=bool)
        self._needs = random.integers(len(DEPARTMENTS), size=n_visitors)
        self._events: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def run(self) -> pl.DataFrame:
        """Returns visitor and product (codes), kind (codes), timestamp and seconds, by time."""
        for step in range(N_STEPS):
            self._run_step(step)
        columns = [np.concatenate(column) for column in zip(*self._events, strict=True)]
        names = ("visitor", "product", "kind", "timestamp", "seconds")
        frame = pl.DataFrame(dict(zip(names, columns, strict=True)))
        ends = FIRST_TIMESTAMP + PERIOD_DAYS * DAY_S
        # A product that went back is not touched again.
        returned = pl.col("timestamp").filter(pl.col("kind") == RETURN).min()
        last = returned.over("visitor", "product").fill_null(ends - 1)
        return frame.filter(pl.col("timestamp") <= last, pl.col("timestamp") < ends).sort(
            "timestamp", maintain_order=True
        )

    def _run_step(self, step: int) -> None:
        random, visitors = self._random, self._visitors
        changes = random.integers(100, size=len(self._needs)) < NEW_NEED_PERCENT
        others = random.integers(len(DEPARTMENTS), size=len(self._needs))
        self._needs = np.where(changes, others, self._needs)
        comes = random.integers(100, size=len(self._needs)) < VISIT_PERCENT
        who = np.flatnonzero(comes & (visitors.arrives_at <= step))
        attracts = visitors.favourites(step) & ~self._has_rejected
        views = self._view(step, who, attracts)
        fit = self._fit(views, attracts)
        self._add(VIEW, views.visitors, views.products, views.times, self._seconds(fit))
        in_cart = random.integers(100, size=len(fit)) < np.array(CART_PERCENT)[fit]
        cart = [each[in_cart] for each in (views.visitors, views.products, views.visit_ends, fit)]
        self._add(CART, cart[0], cart[1], views.times[in_cart] + VIEW_S // 2)
        buys = random.integers(100, size=len(cart[3])) < np.array(BUY_PERCENT)[cart[3]]
        self._buy(*(each[buys] for each in cart[:3]))

    def _view(self, step: int, who: np.ndarray, attracts: np.ndarray) -> _Views:
        """Draws the views of the visitors `who`, without products that they have bought."""
        counts = 1 + self._random.integers(self._visitors.activity[who] + 1)
        rows = np.repeat(np.arange(len(who)), counts)
        by_taste = _draw(self._weights(step, who, attracts), rows, self._random)
        around = _draw(self._weights_around(step, who), rows, self._random)
        looks_around = self._random.integers(100, size=len(rows)) < LOOKS_AROUND_PERCENT
        chosen = np.where(looks_around, around, by_taste)
        first_time = FIRST_TIMESTAMP + step * STEP_DAYS * DAY_S
        starts = first_time + self._random.integers((STEP_DAYS - 2) * DAY_S, size=len(who))
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        times, ends = starts[rows] + nth * VIEW_S, (starts + counts * VIEW_S)[rows]
        return _Views(who[rows], chosen, times, ends)

    def _trend(self, step: int) -> np.ndarray:
        """Returns (n_products,) int64 factors in a step; 0 for products not yet launched."""
        products, day = self._products, step * STEP_DAYS
        is_new = day - products.launched <= NEW_FOR_DAYS
        in_season = products.departments == step * len(DEPARTMENTS) // N_STEPS
        factors = np.where(is_new, NEW_PRODUCT_FACTOR, 1) * np.where(in_season, SEASON_FACTOR, 1)
        return factors * (products.launched <= day)

    def _weights(self, step: int, who: np.ndarray, attracts: np.ndarray) -> np.ndarray:
        """Returns (n, n_products) int64: how likely each product is to be viewed out of taste."""
        products = self._products
        brands = np.where(attracts[who], BRAND_FACTOR, 1) * ~self._has_rejected[who]
        is_band = products.bands == self._visitors.bands[who, None]
        is_needed = products.departments == self._needs[who, None]
        weights = brands[:, products.brands] * np.where(is_band, BAND_FACTOR, 1)
        weights *= np.where(is_needed, DEPARTMENT_FACTOR, 1)
        return weights * (products.popularity * self._trend(step)) * ~self._has_bought[who]

    def _weights_around(self, step: int, who: np.ndarray) -> np.ndarray:
        """Returns (n, n_products) int64: how likely a visitor is to look at each without a need."""
        products = self._products
        is_admired = products.brands == self._visitors.brands[who, 4, None]
        attention = products.attention * self._trend(step)
        return np.where(is_admired, BRAND_FACTOR, 1) * attention * ~self._has_bought[who]

    def _fit(self, views: _Views, attracts: np.ndarray) -> np.ndarray:
        """Returns (n_views,) int64: 1 for a favourite brand, 2 also for the band, 0 for others."""
        products = self._products
        is_favourite = attracts[views.visitors, products.brands[views.products]]
        is_band = products.bands[views.products] == self._visitors.bands[views.visitors]
        return np.where(is_favourite, 1 + is_band, 0)

    def _seconds(self, fit: np.ndarray) -> np.ndarray:
        longest = np.array(SECONDS)[fit]
        first, second = (self._random.integers(longest) for _ in range(2))
        return 2 + 4 * first * second // longest

    def _buy(self, visitors: np.ndarray, products: np.ndarray, times: np.ndarray) -> None:
        """Adds purchases, of each pair the first, and the returns and reorders that follow."""
        random = self._random
        _, first = np.unique(visitors * len(self._products.brands) + products, return_index=True)
        first.sort()
        visitors, products, times = visitors[first], products[first], times[first]
        self._add(PURCHASE, visitors, products, times)
        self._has_bought[visitors, products] = True
        brands = self._products.brands[products]
        disappoints = self._visitors.brands[visitors, 3] == brands
        percent = np.where(disappoints, DISAPPOINTED_PERCENT, RETURN_PERCENT)
        returns = random.integers(100, size=len(visitors)) < percent
        days = random.integers(*RETURN_DAYS, size=len(visitors))
        back = [each[returns] for each in (visitors, products, times + days * DAY_S)]
        self._add(RETURN, back[0], back[1], back[2])
        rejects = returns & disappoints
        self._has_rejected[visitors[rejects], brands[rejects]] = True
        self._reorder(visitors[~returns], products[~returns], times[~returns])

    def _reorder(self, visitors: np.ndarray, products: np.ndarray, times: np.ndarray) -> None:
        """Adds purchases of the same consumables in the rhythm of the product."""
        random, rhythm = self._random, self._products.rhythm[products]
        goes_on = random.integers(100, size=(len(visitors), LONGEST_REORDERS))
        goes_on = np.logical_and.accumulate(goes_on < REORDER_PERCENT, axis=1)
        goes_on &= rhythm[:, None] > 0
        pair, nth = np.nonzero(goes_on)
        widest = RHYTHM_JITTER_DAYS * DAY_S
        jitter = random.integers(-widest, widest, size=len(pair))
        again = times[pair] + (nth + 1) * rhythm[pair] * DAY_S + jitter
        self._add(PURCHASE, visitors[pair], products[pair], again)

    def _add(
        self, kind: int, visitors: np.ndarray, products: np.ndarray, times: np.ndarray,
        seconds: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        n = len(visitors)
        seconds = np.zeros(n, dtype=np.int64) if seconds is None else seconds
        self._events.append((visitors, products, np.full(n, kind), times, seconds))


def _draw(weights: np.ndarray, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draws a column from each of the given rows, with the probability of its weight.

    Args:
        weights: (n, m) int64, in each row at least one above 0.
        rows: (k,) positions.
        random: source of the draws.

    Returns:
        (k,) int64 columns.
    """
    cumulative = np.cumsum(weights.ravel())
    ends = cumulative[weights.shape[1] - 1 :: weights.shape[1]]
    starts = np.concatenate([[0], ends[:-1]])
    draws = starts[rows] + random.integers((ends - starts)[rows])
    return np.searchsorted(cumulative, draws, side="right") % weights.shape[1]
