"""Vectors of items out of what the catalog says of them."""

import polars as pl
import pytest
import torch

from tastemaker.data.catalog import Catalog
from tastemaker.errors import DataError
from tastemaker.models.sequence.item_features import ItemFeatures

CATEGORIES = [["red", "round"], [], ["round"], None, ["blue", "red", "square"], []]


def features(categories: list[list[str] | None] = CATEGORIES) -> ItemFeatures:
    torch.manual_seed(0)
    schema = {"item_id": pl.Int64, "categories": pl.List(pl.String)}
    frame = pl.DataFrame({"item_id": range(len(categories)), "categories": categories}, schema)
    return ItemFeatures(Catalog(frame), 3)


def test_a_vector_is_the_mean_of_those_of_the_categories() -> None:
    made = features()
    blue, red, round_, square = made.categories.weight
    expected = torch.stack([(red + round_) / 2, round_, (blue + red + square) / 3])
    torch.testing.assert_close(made(None)[[0, 2, 4]], expected)


def test_an_item_without_categories_has_a_zero_vector() -> None:
    made = features()
    assert made(None)[[1, 3, 5]].abs().sum() == 0
    assert made(torch.tensor([5, 1, 3])).abs().sum() == 0


@pytest.mark.parametrize("items", [[4, 0, 1, 4, 2, 3, 5], [[1, 4], [0, 0]], [[[2]]], [3]])
def test_vectors_of_some_are_rows_of_the_vectors_of_all(items: list) -> None:
    made, codes = features(), torch.tensor(items)
    torch.testing.assert_close(made(codes), made(None)[codes])


def test_gradients_reach_the_categories_of_the_items_alone() -> None:
    made = features()
    made(torch.tensor([2, 5])).sum().backward()
    assert made.categories.weight.grad.abs().sum(dim=1).tolist() == [0, 0, 3, 0]


def test_a_catalog_without_categories_says_what_to_give() -> None:
    with pytest.raises(DataError, match="but the catalog has none; give a catalog"):
        ItemFeatures(Catalog(pl.DataFrame({"item_id": [1, 2]})), 3)
