"""A synthetic data set with known structure, for use without network access or other data.

Its name begins with "synthetic" wherever results are shown, so that it is never taken for real
data.

How it is made: every film has one genre, sometimes more, and a popularity that decreases with its
rank (a long tail). Every user has two favourite genres, one of which changes halfway through the
history (drift of taste). Each event draws a film that the user has not touched yet, with a
probability proportional to its popularity, and 60 times as high if the film is of a genre that is a
favourite at that moment. Taste therefore predicts much more than popularity does, so that models
have a signal to learn.

All draws and weights are whole numbers, so that the data are the same on every processor.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.columns import Columns
from tastemaker.data.interactions import Interactions
from tastemaker.errors import ConfigError

GENRES = (
    "Action", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Horror",
    "Musical", "Mystery", "Romance", "Science Fiction",
)  # fmt: skip

FIRST_WORDS = (
    "Amber", "Broken", "Crimson", "Distant", "Electric", "Forgotten", "Golden", "Hollow", "Iron",
    "Jade", "Kindred", "Last", "Midnight", "Northern", "Open", "Paper", "Quiet", "Restless",
    "Silver", "Tender", "Uncharted", "Velvet", "Winter", "Yellow",
)  # fmt: skip

SECOND_WORDS = (
    "Archive", "Bridge", "Carnival", "Departure", "Echo", "Frontier", "Garden", "Harbour",
    "Inheritance", "Journey", "Kingdom", "Lantern", "Mirror", "Nocturne", "Orchard", "Parade",
    "Question", "River", "Signal", "Tide", "Umbrella", "Voyage", "Witness", "Zenith",
)  # fmt: skip

FAVOURITE_FACTOR = 60
"""Factor by which a film of a favourite genre is more probable than another of equal popularity."""

MOST_POPULAR, HEAD = 1_000_000, 10
"""A film's popularity is MOST_POPULAR // (HEAD + rank); HEAD flattens the top of the ranking."""

SECOND_GENRE_PERCENT = 3
"""Probability, in percent, that a film has a given genre in addition to its first."""

DAY_S = 86_400
FIRST_TIMESTAMP = 1_577_836_800  # 2020-01-01
PERIOD_DAYS = 1_461


def synthetic(
    n_users: int = 1_000, n_items: int = 800, mean_history: float = 60.0, seed: int = 0
) -> tuple[Interactions, Catalog]:
    """Generates interactions and a catalog of invented films.

    Args:
        n_users: number of users.
        n_items: number of films.
        mean_history: mean number of films that a user touches; each user touches at least 5 and at
            most a third of all.
        seed: random seed; the same seed gives the same data set.

    Raises:
        ConfigError: there are too few users or items for the structure.
    """
    if n_users < 1 or n_items < 20:
        raise ConfigError(
            f"synthetic data need at least 1 user and 20 items, not {n_users} and {n_items}"
        )
    random = np.random.default_rng(seed)
    films = _Films.generate(n_items, random)
    # The product of two uniform draws: many short histories, few long ones.
    max_draw = max(int(4 * (mean_history - 5)), 1)
    lengths = (
        5
        + random.integers(max_draw, size=n_users)
        * random.integers(max_draw, size=n_users)
        // max_draw
    )
    lengths = np.minimum(lengths, n_items // 3)
    events = [_draw_history(films, length, random) for length in lengths]
    items, times, ratings = (np.concatenate(column) for column in zip(*events, strict=True))
    frame = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(1, n_users + 1), lengths),
            "item_id": items + 1,
            "timestamp": times,
            "rating": ratings,
        }
    )
    columns = Columns(user="user_id", item="item_id", time="timestamp", rating="rating")
    return Interactions.from_frame(frame, columns, f"synthetic (seed {seed})"), films.catalog()


@dataclass(frozen=True)
class _Films:
    titles: list[str]
    genres: np.ndarray  # (n_items, n_genres) bool
    popularity: np.ndarray  # (n_items,) int64

    @classmethod
    def generate(cls, n_items: int, random: np.random.Generator) -> "_Films":
        genres = np.zeros((n_items, len(GENRES)), dtype=bool)
        genres[np.arange(n_items), random.integers(len(GENRES), size=n_items)] = True
        genres |= random.integers(100, size=genres.shape) < SECOND_GENRE_PERCENT
        popularity = MOST_POPULAR // (HEAD + random.permutation(n_items))
        pairs = random.permutation(len(FIRST_WORDS) * len(SECOND_WORDS))
        titles = []
        for i in range(n_items):
            first, second = divmod(int(pairs[i % len(pairs)]), len(SECOND_WORDS))
            sequel = f" {i // len(pairs) + 1}" if i >= len(pairs) else ""
            year = int(random.integers(1960, 2024))
            titles.append(f"The {FIRST_WORDS[first]} {SECOND_WORDS[second]}{sequel} ({year})")
        return cls(titles, genres, popularity)

    def catalog(self) -> Catalog:
        categories = [[GENRES[g] for g in np.flatnonzero(row)] for row in self.genres]
        return Catalog(
            pl.DataFrame(
                {
                    "item_id": np.arange(1, len(self.titles) + 1),
                    "title": self.titles,
                    "categories": categories,
                }
            )
        )


def _draw_history(
    films: _Films, length: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    early_genres = random.permutation(len(GENRES))[:2]
    late_genres = np.array([early_genres[0], random.integers(len(GENRES))])
    half = length // 2
    early = _draw(films, early_genres, half, np.array([], dtype=int), random)
    items = np.concatenate([early, _draw(films, late_genres, length - half, early, random)])
    start = FIRST_TIMESTAMP + random.integers(PERIOD_DAYS // 2) * DAY_S
    times = np.sort(start + random.integers(PERIOD_DAYS // 2 * DAY_S, size=length))
    favourites = np.union1d(early_genres, late_genres)
    is_favourite = films.genres[items][:, favourites].any(axis=1)
    # In half stars: around 3 stars, and around 4 for films of a favourite genre.
    half_stars = (
        6 + 2 * is_favourite + random.integers(-2, 3, length) + random.integers(-1, 2, length)
    )
    ratings = np.clip(half_stars, 1, 10) / 2
    return items, times, ratings


def _draw(
    films: _Films, taste: np.ndarray, n: int, seen: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Draws n different films that are not in `seen`, by popularity and fit to the taste."""
    weights = films.popularity * np.where(films.genres[:, taste].any(axis=1), FAVOURITE_FACTOR, 1)
    weights[seen] = 0
    cumulative = np.cumsum(weights)
    drawn = np.array([], dtype=np.int64)
    while len(drawn) < n:
        draws = np.searchsorted(
            cumulative, random.integers(cumulative[-1], size=4 * n), side="right"
        )
        drawn = np.concatenate([drawn, draws])
        drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]  # first occurrences only
    return drawn[:n]
