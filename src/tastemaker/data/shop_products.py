"""The products of the invented shop, and what its tables tell about them."""

import datetime
from dataclasses import dataclass

import numpy as np
import polars as pl

BRANDS = (
    "Alder", "Birkett", "Corvo", "Dunmore", "Elkhorn", "Fenwick", "Galante", "Halden", "Isolde",
    "Juniper", "Kestrel", "Lomond", "Marlow", "Norrland", "Ondine", "Pembroke", "Quarry", "Rowan",
    "Solveig", "Tamarack", "Umbra", "Verano", "Wexford", "Yarrow",
)  # fmt: skip

BANDS = ("budget", "middle", "premium")
CENTS = ((399, 2_000), (2_000, 6_000), (6_000, 25_000))
"""Range of the prices of each band, in hundredths; the upper end is not included."""

CATEGORIES = (
    ("Groceries", "Coffee", True), ("Groceries", "Tea", True), ("Groceries", "Olive oil", True),
    ("Pets", "Dog food", True), ("Pets", "Cat litter", True), ("Pets", "Dog leads", False),
    ("Care", "Shampoo", True), ("Care", "Razor blades", True), ("Care", "Hair dryers", False),
    ("Kitchen", "Pans", False), ("Kitchen", "Knives", False), ("Kitchen", "Kettles", False),
    ("Clothing", "Jackets", False), ("Clothing", "Shoes", False), ("Clothing", "Shirts", False),
    ("Sport", "Tents", False), ("Sport", "Rackets", False), ("Sport", "Yoga mats", False),
    ("Home", "Lamps", False), ("Home", "Blankets", False), ("Home", "Mirrors", False),
    ("Toys", "Puzzles", False), ("Toys", "Board games", False), ("Toys", "Kites", False),
)  # fmt: skip
"""Department, category, and whether its products are consumables, which are bought again."""

DEPARTMENTS = tuple(dict.fromkeys(department for department, _, _ in CATEGORIES))

WORDS = (
    "airy", "amber", "angular", "bold", "bright", "calm", "classic", "clean", "coastal", "cosy",
    "crisp", "dark", "delicate", "earthy", "elegant", "fine", "floral", "fresh", "gentle", "glossy",
    "handmade", "honest", "light", "lively", "matt", "mellow", "modern", "natural", "nordic",
    "playful", "plain", "pure", "quiet", "robust", "rustic", "sleek", "slim", "smooth", "soft",
    "striped", "sturdy", "urban", "vivid", "warm", "woven", "young", "mild", "round",
)  # fmt: skip
"""Words of the descriptions: the n-th brand prefers the words 2n and 2n + 1."""

IMAGE_SIZE = 16
"""Length of the vector that stands for a product's image."""

MOST_POPULAR, HEAD = 100_000, 40
"""Popularity is MOST_POPULAR // (HEAD + rank), and so is attention, with other ranks; HEAD flattens
the top of the ranking."""

DAY_S = 86_400
FIRST_DAY = datetime.date(2024, 1, 1)
FIRST_TIMESTAMP = 1_704_067_200  # the same day
PERIOD_DAYS = 360
NEW_PERCENT = 50
"""Percentage of the products that are launched during the period, at an even pace."""

SHORTEST_RHYTHM, LONGEST_RHYTHM = 14, 40
"""Range of the number of days after which a consumable is bought again."""


@dataclass(frozen=True)
class Products:
    """The products as codes. All arrays have n_products values."""

    brands: np.ndarray
    """int64, positions in BRANDS."""
    bands: np.ndarray
    """int64 price bands, positions in BANDS."""
    categories: np.ndarray
    """int64, positions in CATEGORIES."""
    popularity: np.ndarray
    """int64 weights of the products that fit a taste."""
    attention: np.ndarray
    """int64 weights of the products when visitors only look around."""
    launched: np.ndarray
    """int64 days since the start of the period; negative if the product is older."""
    rhythm: np.ndarray
    """int64 days after which a consumable is bought again; 0 for other products."""

    @classmethod
    def generate(cls, n: int, random: np.random.Generator) -> "Products":
        """Draws n products."""
        categories = random.integers(len(CATEGORIES), size=n)
        is_consumable = np.array([consumable for _, _, consumable in CATEGORIES])[categories]
        is_new = random.integers(100, size=n) < NEW_PERCENT
        age = random.integers(1, 3 * PERIOD_DAYS, size=n)
        return cls(
            brands=random.integers(len(BRANDS), size=n),
            bands=random.integers(len(BANDS), size=n),
            categories=categories,
            popularity=MOST_POPULAR // (HEAD + random.permutation(n)),
            attention=MOST_POPULAR // (HEAD + random.permutation(n)),
            launched=np.where(is_new, random.integers(PERIOD_DAYS, size=n), -age),
            rhythm=np.where(
                is_consumable, random.integers(SHORTEST_RHYTHM, LONGEST_RHYTHM + 1, size=n), 0
            ),
        )

    @property
    def departments(self) -> np.ndarray:
        """(n_products,) int64, positions in DEPARTMENTS."""
        of_category = [DEPARTMENTS.index(department) for department, _, _ in CATEGORIES]
        return np.array(of_category)[self.categories]

    def table(self, random: np.random.Generator) -> pl.DataFrame:
        """Returns the table of the products, with drawn prices, descriptions and image vectors."""
        low, high = np.array(CENTS).T
        cents = random.integers(low[self.bands], high[self.bands])
        paths = [CATEGORIES[category][:2] for category in self.categories]
        words = self._words(random)
        return pl.DataFrame(
            {
                "item": product_ids(len(self.brands)),
                "title": [
                    f"{BRANDS[brand]} {WORDS[word].capitalize()} {category}"
                    for brand, word, (_, category) in zip(
                        self.brands, words[:, -1], paths, strict=True
                    )
                ],
                "brand": [BRANDS[brand] for brand in self.brands],
                "price": cents / 100,
                "categories": [list(path) for path in paths],
                "launched": [
                    FIRST_DAY + datetime.timedelta(days=int(day)) for day in self.launched
                ],
                "description": [" ".join(WORDS[word] for word in row) for row in words],
                "image_vector": pl.Series(
                    self._image_vectors(random), dtype=pl.Array(pl.Float32, IMAGE_SIZE)
                ),
            }
        )

    def _words(self, random: np.random.Generator) -> np.ndarray:
        """Returns (n_products, 4) words: two that the brand prefers, and two of any brand."""
        n = len(self.brands)
        own = 2 * self.brands[:, None] + random.integers(2, size=(n, 2))
        return np.hstack([own, random.integers(len(WORDS), size=(n, 2))])

    def _image_vectors(self, random: np.random.Generator) -> np.ndarray:
        """Returns (n_products, IMAGE_SIZE) float32: sums of vectors of brand and band, and noise.

        All values are multiples of 1/32, which floating-point numbers hold exactly.
        """
        of_brands, of_bands = (
            random.integers(-32, 33, size=(len(names), IMAGE_SIZE)) for names in (BRANDS, BANDS)
        )
        noise = random.integers(-16, 17, size=(len(self.brands), IMAGE_SIZE))
        sums = of_brands[self.brands] + of_bands[self.bands] + noise
        return (sums / 32).astype(np.float32)


def product_ids(n: int) -> list[str]:
    """Returns the ids of n products."""
    return [f"p{number:04d}" for number in range(1, n + 1)]
