"""The visitors of the invented shop: where they come from, how old they are, and what they like."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tastemaker.data.shop_products import BANDS, BRANDS

COUNTRIES = ("Austria", "Brazil", "Canada", "Denmark", "Egypt", "France")
"""The n-th brand is at home in country n modulo 6."""

HOME_FACTOR = 12
"""Factor by which a brand of the visitor's own country is likelier to become a favourite."""

OWN_BAND_PERCENT = 70
"""Percentage of visitors who prefer the price band of their age: the youngest third of the years
of birth the first, and the oldest third the last."""

YEARS = (1946, 2006)
"""Range of the years of birth; the last is not included."""

UNKNOWN_PERCENT = 10
"""Percentage of the visitors whose year of birth is not known."""

LATE_PERCENT = 60
"""Percentage of the visitors who arrive after the start of the period, at an even pace."""


@dataclass(frozen=True)
class Visitors:
    """The visitors as codes. All arrays have n_visitors rows."""

    countries: np.ndarray
    """int64, positions in COUNTRIES."""
    birth_years: np.ndarray
    """int64."""
    bands: np.ndarray
    """int64, the preferred price band."""
    brands: np.ndarray
    """(n_visitors, 5) int64: a favourite brand; a second one until the taste changes; the one that
    takes its place; one that attracts the visitor until the first return; and one that the visitor
    likes to look at, but not to buy."""
    changes_at: np.ndarray
    """int64, the step in which the taste changes."""
    arrives_at: np.ndarray
    """int64, the first step in which the visitor comes."""
    activity: np.ndarray
    """int64, the largest number of views of a visit after its first."""

    @classmethod
    def generate(
        cls, n: int, n_steps: int, mean_views: int, random: np.random.Generator
    ) -> "Visitors":
        """Draws n visitors.

        Args:
            n: number of visitors.
            n_steps: number of steps of the period.
            mean_views: mean number of views of a visit.
            random: source of the draws.
        """
        countries = random.integers(len(COUNTRIES), size=n)
        birth_years = random.integers(*YEARS, size=n)
        of_age = (len(BANDS) * (YEARS[1] - 1 - birth_years)) // (YEARS[1] - YEARS[0])
        is_own = random.integers(100, size=n) < OWN_BAND_PERCENT
        is_late = random.integers(100, size=n) < LATE_PERCENT
        views = 2 * (mean_views - 1)
        return cls(
            countries=countries,
            birth_years=birth_years,
            bands=np.where(is_own, of_age, random.integers(len(BANDS), size=n)),
            brands=_favourite_brands(countries, random),
            changes_at=random.integers(n_steps, size=n),
            arrives_at=np.where(is_late, random.integers(n_steps - 1, size=n), 0),
            # The product of two uniform draws: many quiet visitors, few busy ones.
            activity=random.integers(1, 2 * views, size=n)
            * random.integers(1, 2 * views, size=n)
            // views,
        )

    def favourites(self, step: int) -> np.ndarray:
        """Returns (n_visitors, n_brands) bool: the brands that attract each visitor in a step."""
        second = np.where(step < self.changes_at, self.brands[:, 1], self.brands[:, 2])
        attracts = np.zeros((len(second), len(BRANDS)), dtype=bool)
        for brands in (self.brands[:, 0], second, self.brands[:, 3]):
            attracts[np.arange(len(brands)), brands] = True
        return attracts

    def table(self, random: np.random.Generator) -> pl.DataFrame:
        """Returns the table of the visitors; the year of birth of some is not known."""
        n = len(self.countries)
        is_known = pl.Series(random.integers(100, size=n) >= UNKNOWN_PERCENT)
        frame = pl.DataFrame(
            {
                "visitor": np.arange(1, n + 1),
                "country": [COUNTRIES[country] for country in self.countries],
                "birth_year": self.birth_years,
            }
        )
        return frame.with_columns(pl.when(is_known).then("birth_year").alias("birth_year"))


def _favourite_brands(countries: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns (n_visitors, 5) brands, all different, most of them of the visitor's country."""
    is_home = np.arange(len(BRANDS)) % len(COUNTRIES) == countries[:, None]
    # The five lowest draws win.
    draws = random.integers(1_000_000, size=is_home.shape) * np.where(is_home, 1, HOME_FACTOR)
    return np.argsort(draws, axis=1, kind="stable")[:, :5]
