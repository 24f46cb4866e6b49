"""Tables of items and users: the kinds of their columns, and what stays aligned to the codes."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError

LOG = pl.DataFrame({"user": [1, 2, 3, 3], "item": ["a", "b", "c", "a"]})
ITEMS = pl.DataFrame(
    {
        "item": ["a", "b", "c", "d"],
        "title": ["A", "B", "C", "D"],
        "price": [1.5, None, 3.0, 2.0],
        "stock": [3, 0, 7, 1],
        "brand": ["x", "y", "x", None],
        "brand_id": [4, 9, 4, 4],
        "genre": ["art|war", "art", None, ""],
        "labels": [[3, 1], [], [1], None],
        "about": ["a long red coat", "one red warm hat", "a pair of shoes", "two short socks"],
        "released": [date(2020, 1, 2), None, date(2021, 5, 1), date(1969, 12, 31)],
        "since": ["2020-01-02", "2020-01-03T10:00", "2020-05-05", "2019-01-01"],
        "picture_of": [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], None],
        "new": [True, False, True, True],
        "ean": ["0123", "0124", "0125", "0126"],
        "shop": ["here", "here", "here", "here"],
        "size": [None, None, None, None],
    },
    schema_overrides={"size": pl.String},
)
KINDS = {
    "categories": "categories",
    "price": "number",
    "stock": "number",
    "brand": "category",
    "brand_id": "category",
    "labels": "categories",
    "about": "text",
    "released": "date",
    "since": "date",
    "picture_of": "vector",
    "new": "category",
}


def described(**how: object) -> tm.Dataset:
    return tm.read(LOG, items=ITEMS, **how)


def test_each_column_is_a_feature_of_the_kind_that_its_type_and_values_show() -> None:
    catalog = described().catalog
    assert catalog.features == KINDS
    assert catalog.frame.columns == ["item_id", "title", *KINDS]
    assert catalog.frame["price"].to_list() == [1.5, None, 3.0]
    assert catalog.frame["brand_id"].to_list() == ["4", "9", "4"]
    assert catalog.frame["labels"].to_list() == [["3", "1"], [], ["1"]]
    assert catalog.frame["released"].to_list() == [1577923200, None, 1619827200]
    assert catalog.frame["since"].to_list() == [1577923200, 1578045600, 1588636800]
    assert catalog.frame["picture_of"].dtype == pl.Array(pl.Float32, 2)


def test_a_note_names_the_kind_of_each_column_or_why_it_is_not_used() -> None:
    notes = described().notes
    for note in (
        "catalog: price: number",
        "catalog: brand: category (2 values)",
        "catalog: labels: categories (2 values)",
        "catalog: picture_of: vector (2 numbers)",
        "catalog: ean: not used (unique to each row)",
        "catalog: shop: not used (the same in each row)",
        "catalog: size: not used (empty)",
        "catalog describes 3 of 3 items, and 1 more without interactions",
    ):
        assert note in notes


def test_kinds_can_be_stated() -> None:
    stated = {"price": "none", "stock": "category", "ean": "text", "about": "category"}
    data = described(features=stated | {"genre": "none", "title": "text"})
    features = data.catalog.features
    assert {name: features.get(name) for name in stated} == stated | {"price": None}
    assert "price" not in data.catalog.columns
    assert data.catalog.frame["stock"].to_list() == ["3", "0", "7"]
    # The categories remain for filters and pages, though no model reads them.
    assert "categories" not in features
    assert data.catalog.categories == ["art", "war"]
    assert features["title"] == "text"


@pytest.mark.parametrize(
    ("stated", "error", "message"),
    [
        ({"price": "nummer"}, ConfigError, 'features=…: "nummer" of column "price" is not a kind'),
        ({"prize": "number"}, DataError, 'no column "prize" for a feature .* did you mean "price"'),
        ({"brand": "number"}, DataError, 'column "brand", row 1: "x" is not a number'),
        ({"brand": "date"}, DataError, 'column "brand", row 1: "x" is not a time'),
        ({"stock": "date"}, DataError, 'column "stock", row 1: "3" is not a date'),
        ({"brand": "vector"}, DataError, 'column "brand", row 1: "x" is not a list of numbers'),
        (
            {"genre": "number"},
            ConfigError,
            'is the categories of the items .*"categories" or "none',
        ),
    ],
)
def test_a_wrong_kind_is_refused_with_its_place(
    stated: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        described(features=stated)


def test_text_files_have_kinds_too(tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text(
        "item,price,brand,code,day\na,1.5,x,1,2020-01-01\nb,NA,y,1,2020-01-02\nc,2,x,2,\n"
    )
    catalog = tm.read(LOG, items=items).catalog
    assert catalog.features == {
        "price": "number", "brand": "category", "code": "category", "day": "date",
    }  # fmt: skip
    assert catalog.frame["price"].to_list() == [1.5, None, 2.0]
    items.write_text("item,price\na,1.5\nb,cheap\nc,2\n")
    with pytest.raises(DataError, match='column "price", line 3: "cheap" is not a number'):
        tm.read(LOG, items=items, features={"price": "number"})


def test_users_have_a_table_aligned_to_their_codes() -> None:
    users = pl.DataFrame({"user": [3, 1, 9], "age": [30, 40, 50], "plan": ["a", "b", "a"]})
    data = tm.read(LOG, users=users)
    assert data.user_table.frame.rows() == [(1, 40, "b"), (2, None, None), (3, 30, "a")]
    assert data.user_table.features == {"age": "number", "plan": "category"}
    assert "users describes 2 of 3 users, and 1 more without interactions" in data.notes
    as_text = tm.read(LOG, users=users, user_features={"age": "category"})
    assert as_text.user_table.frame["age"].to_list() == ["40", None, "30"]
    other = users.rename({"user": "who"})
    with pytest.raises(DataError, match=r"a table of users needs .*user_id=…; the columns are who"):
        tm.read(LOG, users=other)
    assert tm.read(LOG, users=other, user_id="who").user_table.frame.height == 3
    with pytest.raises(DataError, match="users describes 0 of 3 users"):
        tm.read(LOG, users=users.with_columns(user=pl.col("user") + 100))
    with pytest.raises(ConfigError, match=r"user_features=… .*give the table with users=…"):
        tm.read(LOG, user_features={"age": "number"})


def world() -> tm.Dataset:
    """Four users and items of two interactions or more each, and a user and an item of one."""
    pairs = [(user, item) for user in range(4) for item in range(4) if user != item]
    log = pl.DataFrame({"user": [*(u for u, _ in pairs), 9], "item": [*(i for _, i in pairs), 9]})
    ids = [9, 3, 2, 1, 0]
    items = pl.DataFrame({"item": ids, "price": [10.0 * each for each in ids]})
    users = pl.DataFrame({"user": ids, "age": [each + 20 for each in ids]})
    return tm.read(log, items=items, users=users)


def test_features_follow_their_items_and_users() -> None:
    for data in (world(), tm.k_core(world(), 2), tm.sample_users(world(), 0.6)):
        items, users = data.catalog.frame, data.user_table.frame
        assert items["item_id"].equals(data.item_vocabulary.ids)
        assert users["user_id"].equals(data.user_vocabulary.ids)
        assert (items["price"] == 10.0 * items["item_id"]).all()
        assert (users["age"] == users["user_id"] + 20).all()
        assert data.catalog.features == {"price": "number"}
        assert data.user_table.features == {"age": "number"}
    assert tm.k_core(world(), 2).n_users == 4


def test_a_run_keeps_the_features(tmp_path: Path) -> None:
    users = pl.DataFrame({"user": [3, 1], "age": [30, 40]})
    data = tm.read(LOG, items=ITEMS, users=users)
    model = tm.Popularity().fit(tm.no_holdout(data))
    tm.save_run(tmp_path / "run", model)
    train = tm.open_run(tmp_path / "run").split.train
    assert train.catalog.frame.equals(data.catalog.frame)
    assert train.catalog.features == KINDS
    assert train.user_table.frame.equals(data.user_table.frame)
    assert train.user_table.features == {"age": "number"}


def test_the_fingerprint_covers_the_features() -> None:
    users = pl.DataFrame({"user": [1, 2], "age": [30, 40]})
    one = tm.read(LOG, items=ITEMS, users=users)
    changed = [
        tm.read(LOG, items=ITEMS, users=users.with_columns(age=pl.Series([30, 41]))),
        tm.read(LOG, items=ITEMS.with_columns(stock=pl.Series([3, 0, 8, 1])), users=users),
        tm.read(LOG, items=ITEMS, users=users, features={"stock": "category"}),
        tm.read(LOG, items=ITEMS.with_columns(picture_of=pl.lit([0.5, 1.0])), users=users),
        tm.read(LOG, items=ITEMS),
    ]
    fingerprints = {data.fingerprint for data in (one, *changed)}
    assert len(fingerprints) == 6
    assert tm.read(LOG, items=ITEMS.reverse(), users=users).fingerprint == one.fingerprint


def test_vectors_of_a_file_belong_to_the_rows_of_the_table_in_order(tmp_path: Path) -> None:
    matrix = np.arange(8).reshape(4, 2)
    np.save(tmp_path / "pictures.npy", matrix)
    ITEMS[["item", "title"]].write_csv(tmp_path / "items.csv")
    for vectors in (tmp_path / "pictures.npy", str(tmp_path / "pictures.npy"), matrix):
        catalog = tm.read(LOG, items=tmp_path / "items.csv", vectors=vectors).catalog
        assert catalog.features == {"vectors": "vector"}
        assert catalog.frame["vectors"].to_list() == [[0, 1], [2, 3], [4, 5]]
        assert any("vectors: vector (2 numbers)" in note for note in catalog.notes)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((3, 2)), "there are 3 vectors, but catalog has 4 rows; give one vector"),
        (np.zeros(4), r"the shape \(4,\) and the type float64 has no vectors"),
        ([[1.0, 2.0], [3.0]], "give a NumPy array or file, not a list"),
        (np.array([["a"]] * 4), "the type <U1 has no vectors"),
        (np.array([[1.0], [np.nan], [0.0], [2.0]]), 'column "vectors", row 2: .*list of 1 numbers'),
        ("none.npy", "none.npy: cannot be read: No such file"),
        (__file__, "is not a NumPy file of numbers .* write one with numpy.save"),
    ],
)
def test_wrong_vectors_are_refused(vectors: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tm.read(LOG, items=ITEMS, vectors=vectors)


def test_vectors_are_never_unpickled_and_need_a_table_without_them(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[{}]] * 4), allow_pickle=True)
    with pytest.raises(DataError, match="is not a NumPy file of numbers"):
        tm.read(LOG, items=ITEMS, vectors=tmp_path / "objects.npy")
    with pytest.raises(ConfigError, match="vectors=… is about the table of items"):
        tm.read(LOG, vectors=np.zeros((4, 2)))
    with pytest.raises(DataError, match='there is a column "vectors" already'):
        tm.read(LOG, items=ITEMS.with_columns(vectors=1), vectors=np.zeros((4, 2)))
    with pytest.raises(ConfigError, match="add the vectors to the Catalog"):
        tm.read(LOG, items=described().catalog, vectors=np.zeros((3, 2)))
