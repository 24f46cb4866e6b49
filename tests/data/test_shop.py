"""The invented shop has the structure that its description promises."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.shop import Shop, shop
from tastemaker.errors import ArtifactError, ConfigError

KINDS = ("view", "addtocart", "purchase", "return")
DAY_S = 86_400
START = 1_704_067_200


@pytest.fixture(scope="module")
def made() -> Shop:
    return shop()


@pytest.fixture(scope="module")
def events(made: Shop) -> pl.DataFrame:
    """The events with what the tables tell about their products and visitors."""
    return made.events.join(made.products, on="item").join(made.visitors, on="visitor")


def with_taste(events: pl.DataFrame) -> pl.DataFrame:
    """Marks the events with the brand that the visitor put into the cart most often."""
    liked = (
        events.filter(event="addtocart")
        .group_by("visitor", "brand")
        .len()
        .sort("len", "brand")
        .group_by("visitor", maintain_order=True)
        .last()
        .select("visitor", liked="brand")
    )
    return events.join(liked, on="visitor").with_columns(
        is_liked=pl.col("brand") == pl.col("liked")
    )


def test_purchases_follow_the_taste_more_than_carts_and_carts_more_than_views(
    events: pl.DataFrame,
) -> None:
    concentration = dict(
        events.filter(pl.len().over("visitor", "event") >= 4)
        .group_by("event", "visitor", "brand")
        .len()
        .group_by("event", "visitor")
        .agg(concentration=(pl.col("len") / pl.col("len").sum()).pow(2).sum())
        .group_by("event")
        .agg(pl.col("concentration").mean())
        .iter_rows()
    )
    assert concentration["purchase"] > concentration["addtocart"] + 0.03
    assert concentration["addtocart"] > 1.6 * concentration["view"]


def test_a_visitor_looks_most_at_a_brand_that_is_seldom_bought(events: pl.DataFrame) -> None:
    viewed = events.filter(event="view").group_by("visitor", "brand").len().sort("len", "brand")
    most = viewed.group_by("visitor", maintain_order=True).last().select("visitor", viewed="brand")
    bought = events.filter(event="purchase").join(most, on="visitor")
    of_most_viewed = (bought["brand"] == bought["viewed"]).mean()
    views = events.filter(event="view").join(most, on="visitor")
    assert of_most_viewed < 0.8 * (views["brand"] == views["viewed"]).mean()


def test_everything_that_is_bought_was_put_into_the_cart(events: pl.DataFrame) -> None:
    pairs = ["visitor", "item"]
    carts = events.filter(event="addtocart").group_by(pairs).agg(cart=pl.col("timestamp").min())
    bought = events.filter(event="purchase").group_by(pairs).agg(bought=pl.col("timestamp").min())
    both = bought.join(carts, on=pairs, how="left")
    assert both["cart"].null_count() == 0
    assert (both["cart"] < both["bought"]).all()


def test_views_last_longer_the_better_the_product_fits(events: pl.DataFrame) -> None:
    views = with_taste(events).filter(event="view")
    means = dict(views.group_by("is_liked").agg(pl.col("seconds").mean()).iter_rows())
    assert means[True] > 2 * means[False]
    others = events.filter(pl.col("event") != "view")
    assert views["seconds"].null_count() == 0
    assert others["seconds"].null_count() == len(others)


def test_only_consumables_are_bought_again_and_in_a_rhythm(events: pl.DataFrame) -> None:
    bought = events.filter(event="purchase").sort("timestamp", maintain_order=True)
    after = bought.with_columns(
        days=pl.col("timestamp").diff().over("visitor", "item") / DAY_S
    ).drop_nulls("days")
    assert 0.25 < len(after) / len(bought) < 0.5
    consumables = {"Coffee", "Tea", "Olive oil", "Dog food", "Cat litter", "Shampoo",
                   "Razor blades"}  # fmt: skip
    assert set(after["categories"].list.last()) == consumables
    spread = after.group_by("item").agg(
        pl.len(), spread=pl.col("days").max() - pl.col("days").min(), median=pl.col("days").median()
    )
    frequent = spread.filter(pl.col("len") >= 20)
    assert len(frequent) > 10
    assert (frequent["spread"] < 8).all(), "two jitters of two days"
    assert frequent["median"].min() > 12
    assert frequent["median"].max() < 42


def test_a_return_ends_the_pair_and_the_interest_in_the_brand(events: pl.DataFrame) -> None:
    bought = events.filter(event="purchase")
    returns = events.filter(event="return")
    assert 0.05 < len(returns) / len(bought) < 0.2
    last = events.group_by("visitor", "item").agg(pl.col("event").last(), pl.col("timestamp").max())
    ended = returns.join(last, on=["visitor", "item"])
    assert (ended["event_right"] == "return").all()

    first = returns.group_by("visitor", "brand").agg(returned=pl.col("timestamp").min())
    around = events.join(first, on=["visitor", "brand"]).filter(event="purchase")
    later = pl.col("timestamp") > pl.col("returned") + 30 * DAY_S
    before = pl.col("timestamp") < pl.col("returned")
    assert around.filter(later).height < 0.3 * around.filter(before).height


def test_products_are_launched_all_the_time_and_are_viewed_only_afterwards(
    events: pl.DataFrame,
) -> None:
    launched = pl.col("launched").cast(pl.Datetime).dt.epoch("s")
    assert events.filter(pl.col("timestamp") < launched).height == 0
    products = events.unique("item")
    start = pl.date(2024, 1, 1)
    assert 0.4 < products.select((pl.col("launched") >= start).mean()).item() < 0.6
    of_item = events.group_by("item").agg(pl.len(), pl.col("launched").first())
    latest = of_item.filter(pl.col("launched") >= pl.date(2024, 11, 15))["len"].median()
    old = of_item.filter(pl.col("launched") < start)["len"].median()
    assert latest < 0.6 * old, "the latest products have few events"


def test_brand_and_price_tell_who_buys_a_product(events: pl.DataFrame) -> None:
    """Of two purchases of a visitor, more have the same brand or price than of two visitors."""
    band = (pl.col("price") >= 20).cast(pl.Int8) + (pl.col("price") >= 60)
    bought = events.filter(event="purchase").unique(["visitor", "item"], maintain_order=True)
    bought = bought.with_columns(band=band).sort("visitor", maintain_order=True)
    others = bought.sample(fraction=1, shuffle=True, seed=1)
    same_visitor = bought["visitor"][1:] == bought["visitor"][:-1]
    for feature, factor in (("brand", 5), ("band", 1.5)):
        same = (bought[feature][1:] == bought[feature][:-1]).filter(same_visitor).mean()
        assert same > factor * (others[feature] == bought[feature]).mean(), feature


def test_countries_have_their_own_brands_and_ages_their_prices(events: pl.DataFrame) -> None:
    bought = events.filter(event="purchase")
    counts = bought.pivot("brand", index="country", values="item", aggregate_function="len")
    fractions = counts.drop("country").fill_null(0).to_numpy().astype(float)
    fractions /= fractions.sum(axis=1, keepdims=True)
    distances = np.abs(fractions[:, None] - fractions).sum(axis=2) / 2
    assert distances[~np.eye(6, dtype=bool)].min() > 0.3, "total variation of any two countries"
    young, old = (
        bought.filter(years)["price"].median()
        for years in (pl.col("birth_year") >= 1986, pl.col("birth_year") < 1966)
    )
    assert old > 2 * young


def test_the_needs_of_a_visitor_last_for_weeks_and_change(events: pl.DataFrame) -> None:
    views = with_taste(events).filter(pl.col("event") == "view", pl.col("is_liked"))
    views = views.with_columns(
        department=pl.col("categories").list.first(),
        step=(pl.col("timestamp") - START) // (15 * DAY_S),
    )
    pairs = views.join(views, on="visitor", suffix="_later")
    gap = pl.col("step_later") - pl.col("step")
    same = pl.col("department") == pl.col("department_later")

    def agreement(*condition: pl.Expr) -> float:
        others = pairs.filter(*condition, pl.col("item") != pl.col("item_later"))
        return others.select(same).mean().item()

    now, soon, late = agreement(gap == 0), agreement(gap == 1), agreement(gap >= 8)
    assert now > soon + 0.1
    assert soon > late + 0.05


def test_one_favourite_brand_changes_and_popularity_moves(events: pl.DataFrame) -> None:
    bought = events.filter(event="purchase").unique(["visitor", "item"], maintain_order=True)
    month = (pl.col("timestamp") - START) // (30 * DAY_S)
    bought = bought.with_columns(month=month).select("visitor", "brand", "month")
    pairs = bought.join(bought, on="visitor", suffix="_later")
    gap, same = pl.col("month_later") - pl.col("month"), pl.col("brand") == pl.col("brand_later")
    near = pairs.filter(gap == 1).select(same).mean().item()
    far = pairs.filter(gap >= 8).select(same).mean().item()
    assert near > far + 0.05

    quarter = events.filter(event="view").with_columns(quarter=month // 3)
    tops = [
        set(part.group_by("item").len().sort("len", "item")["item"].tail(30))
        for part in quarter.sort("quarter").partition_by("quarter", maintain_order=True)[:4]
    ]
    assert len(tops[0] & tops[3]) < 15


def test_words_and_image_vectors_tell_the_brand_less_exactly(made: Shop) -> None:
    products = made.products
    vectors = products["image_vector"].to_numpy()
    brands = products["brand"].to_numpy()
    distances = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    agrees = (brands[distances.argmin(axis=1)] == brands).mean()
    assert 0.5 < agrees <= 1
    words = products.select("brand", pl.col("description").str.split(" ")).explode("description")
    likeliest = words.group_by("description", "brand").len().sort("len", "brand")
    likeliest = likeliest.group_by("description").last()
    guessed = words.join(likeliest, on="description")
    assert 0.3 < (guessed["brand"] == guessed["brand_right"]).mean() < 0.8


def test_the_shop_is_the_same_on_every_processor(made: Shop) -> None:
    """It is made of whole numbers alone, so that the digest holds everywhere."""
    assert 100_000 < made.events.height < 200_000
    assert (made.visitors.height, made.products.height) == (3_000, 1_000)
    digest = hashlib.sha256()
    for column in (
        made.events["visitor"], made.events["item"].str.slice(1).cast(pl.Int64),
        made.events["event"].replace_strict(KINDS, range(4)), made.events["timestamp"],
        made.events["seconds"].fill_null(-1), (made.products["price"] * 100).round(),
        made.products["launched"].cast(pl.Int32), made.products["image_vector"].explode() * 32,
        made.visitors["birth_year"].fill_null(0),
    ):  # fmt: skip
        digest.update(column.to_numpy().astype("<i8").tobytes())
    for column in (made.products["title"], made.products["description"], made.visitors["country"]):
        digest.update("\n".join(column).encode())
    assert digest.hexdigest().startswith("7a40a465d9ef8d94")


def test_a_seed_gives_the_same_tables_and_another_seed_others() -> None:
    first, again, other = (shop(50, 200, seed=seed) for seed in (1, 1, 2))
    for name in ("events", "products", "visitors"):
        assert getattr(first, name).equals(getattr(again, name))
        assert not getattr(first, name).equals(getattr(other, name))


def test_the_shop_is_loaded_by_name_with_kinds_and_titles(made: Shop) -> None:
    data = tm.load("shop")
    assert data.name == "synthetic shop (seed 0)"
    assert len(data) == made.events.height
    kinds = data.rules.kinds
    assert kinds is not None
    assert (kinds.targets, kinds.negative) == (("purchase",), ("return",))
    assert "title" in data.catalog.columns
    assert data.user_table is not None
    assert data.user_table.features == {"country": "category", "birth_year": "number"}
    visitors = data.user_table.frame.rename({"user_id": "visitor"}).drop_nulls()
    known = made.visitors.drop_nulls().join(visitors, on="visitor", how="semi")
    assert visitors.sort("visitor").equals(
        known.with_columns(pl.col("birth_year").cast(pl.Float64))
    )
    split = tm.temporal(tm.load("shop", repeats="keep"))
    assert split.train.rules.repeat_targets


def test_the_files_are_the_tables(tmp_path: Path) -> None:
    made = shop(50, 200)
    paths = made.write(tmp_path / "new" / "shop")
    assert [path.name for path in paths] == ["shop.csv", "products.parquet", "visitors.csv"]
    data = tm.read(
        paths[0], items=paths[1], event="event", weight="seconds", targets=["purchase"],
        negative=["return"], weight_transform="log1p",
    )  # fmt: skip
    assert len(data) == made.events.height
    assert pl.read_csv(paths[2]).equals(made.visitors)
    assert pl.read_parquet(paths[1]).equals(made.products)


def test_a_shop_is_not_written_over_a_file_nor_by_half(tmp_path: Path) -> None:
    made = shop(5, 200)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="notes.txt is not a folder; give another path"):
        made.write(tmp_path / "notes.txt")
    made.write(tmp_path / "shop")
    before = (tmp_path / "shop" / "shop.csv").read_bytes()
    unwritable = replace(made, events=made.events.with_columns(pl.lit([1]).alias("lists")))
    with pytest.raises(pl.exceptions.PolarsError):
        unwritable.write(tmp_path / "shop")
    assert (tmp_path / "shop" / "shop.csv").read_bytes() == before


@pytest.mark.parametrize("wrong", [{"n_visitors": 0}, {"n_products": 199}, {"mean_views": 1}])
def test_a_shop_that_is_too_small_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="n_visitors=1, n_products=200 and mean_views=2, not"):
        shop(**wrong)
