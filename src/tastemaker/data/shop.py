"""An invented shop with known structure, by which each kind of information can be tested.

Its name begins with "synthetic" wherever results are shown, so that it is never taken for real
data. All draws and weights are whole numbers, so that the data are the same on every processor.

What the data hold, and which information a model needs to find it:

- **Kinds of events**: view, addtocart, purchase and return. Two thirds of the views mislead: they
  are of products that everyone looks at, and of a brand that the visitor likes to look at, but not
  to buy. The others follow the taste. The better a product fits it, the more often it is put into
  the cart, and then bought: purchases say most, then carts, then views.
- **Values**: the seconds of a view grow with how well the product fits the taste.
- **Repeats**: consumables, such as coffee, are bought again in a rhythm of the product of two to
  six weeks. Other products are bought once.
- **Returns**: one brand attracts the visitor at first and disappoints; its products go back, and
  the visitor looks for no product of the brand from then on.
- **Features of products**: taste is about brands and a price band. Half of the products are
  launched during the period, so that the latest have few events, but their brand and price tell who
  likes them. Words of the description and the image vector tell the brand as well, less exactly.
- **Features of visitors**: the favourite brands are mostly those of the visitor's country, and the
  preferred price band is mostly that of the age. More than half of the visitors arrive late.
- **Order in time**: a visitor looks for products of one department, until the need changes after
  seven weeks on average; one of the two lasting favourite brands is replaced by another at some
  time; departments have seasons, and new products are popular.

The constants of these rules are in `shop_products`, `shop_visitors` and `shop_events`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.columns import Columns
from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.interactions import Interactions
from tastemaker.data.rows import Rows
from tastemaker.data.shop_events import KINDS, N_STEPS, VIEW, EventLog
from tastemaker.data.shop_products import Products, product_ids
from tastemaker.data.shop_visitors import Visitors
from tastemaker.data.user_table import UserTable
from tastemaker.data.weights import Weighting
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.folders import replacing
from tastemaker.representation import short_repr

EVENT_WEIGHTS = {"view": 1.0, "addtocart": 4.0, "purchase": 10.0}
"""The weights of the kinds of events in `load("shop")`; purchases are its targets."""


@dataclass(frozen=True)
class Shop:
    """The tables of the invented shop."""

    events: pl.DataFrame
    """visitor (Int64), item (String), event (String), timestamp (Int64, seconds since 1970 UTC) and
    seconds (Int64, the length of a view; null for other events), by time."""
    products: pl.DataFrame
    """item, title, brand, price, categories (department and category), launched (Date), description
    (words) and image_vector (an array of 16 Float32)."""
    visitors: pl.DataFrame
    """visitor, country and birth_year (null for a tenth)."""
    name: str
    """Name of the data in results."""

    __repr__ = short_repr

    def interactions(self) -> Interactions:
        """Returns the events, with purchases as targets and returns as a negative kind."""
        columns = Columns(user="visitor", item="item", time="timestamp", event="event")
        kinds = EventKinds.of(EVENT_WEIGHTS, targets=("purchase",), negative=("return",))
        rows = Rows(self.events, self.name)
        return Interactions.from_rows(rows, columns, weighting=Weighting(kinds=kinds))

    def catalog(self) -> Catalog:
        """Returns the products as a catalog."""
        return Catalog.from_frame(self.products, "the table of products", item="item")

    def user_table(self) -> UserTable:
        """Returns the visitors as a table of users."""
        return UserTable.from_rows(Rows(self.visitors, "the table of visitors"), user_id="visitor")

    def write(self, folder: str | Path) -> list[Path]:
        """Writes shop.csv, products.parquet and visitors.csv; files of these names are replaced.

        Args:
            folder: where to write; it is created if it does not exist.

        Raises:
            ArtifactError: the path is that of a file, or the folder cannot be written.
        """
        folder = Path(folder)
        paths = [folder / name for name in ("shop.csv", "products.parquet", "visitors.csv")]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(paths[0]) as temporary:
                self.events.write_csv(temporary)
            with replacing(paths[1]) as temporary:
                self.products.write_parquet(temporary)
            with replacing(paths[2]) as temporary:
                self.visitors.write_csv(temporary)
        except (FileExistsError, NotADirectoryError):
            raise ArtifactError(f"{folder} is not a folder; give another path") from None
        except OSError as error:
            raise ArtifactError(f"{folder} cannot be written: {error.strerror}") from None
        return paths


def shop(
    n_visitors: int = 3_000, n_products: int = 1_000, mean_views: int = 5, seed: int = 0
) -> Shop:
    """Generates a year of an invented shop, which has 360 days.

    Args:
        n_visitors: number of visitors.
        n_products: number of products.
        mean_views: mean number of views of a visit; a visitor comes about once a month.
        seed: random seed; the same seed gives the same data.

    Raises:
        ConfigError: there are too few visitors, products or views for the structure.
    """
    if n_visitors < 1 or n_products < 200 or mean_views < 2:
        raise ConfigError(
            "the shop needs at least n_visitors=1, n_products=200 and mean_views=2, not "
            f"{n_visitors}, {n_products} and {mean_views}"
        )
    random = np.random.default_rng(seed)
    products = Products.generate(n_products, random)
    visitors = Visitors.generate(n_visitors, N_STEPS, mean_views, random)
    log = EventLog(visitors, products, random).run()
    ids = pl.Series(product_ids(n_products))
    kind = log["kind"]
    events = pl.DataFrame(
        {
            "visitor": log["visitor"] + 1,
            "item": ids[log["product"]],
            "event": pl.Series(KINDS)[kind],
            "timestamp": log["timestamp"],
            "seconds": log["seconds"].set(kind != VIEW, None),
        }
    )
    tables = products.table(random), visitors.table(random)
    return Shop(events, *tables, f"synthetic shop (seed {seed})")
