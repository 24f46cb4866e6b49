"""Vectors of items and users out of their features."""

import numpy as np
import polars as pl
import pytest
import torch

from tastemaker.data.catalog import Catalog
from tastemaker.data.features import FeatureEncoder
from tastemaker.data.users import UserBatch
from tastemaker.models.feature_vectors import FeatureVectors

CATEGORIES = [["red", "round"], [], ["round"], None, ["blue", "red", "square"], []]


def features(**more: list) -> FeatureVectors:
    torch.manual_seed(0)
    frame = pl.DataFrame({"item_id": range(6), "categories": CATEGORIES, **more})
    table = Catalog(frame, kinds={"categories": "categories"} | dict.fromkeys(more, "number"))
    encoder = FeatureEncoder.fit(table, np.ones(6, dtype=bool))
    return FeatureVectors(encoder, encoder.encode(table), 3)


def test_a_vector_is_the_mean_of_those_of_the_categories() -> None:
    made = features()
    blue, red, round_, square = made.table.weight
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
    assert made.table.weight.grad.abs().sum(dim=1).tolist() == [0, 0, 3, 0]


def test_features_add_up_and_numbers_have_a_direction_of_their_own() -> None:
    made = features(price=[1.0, 2.0, None, None, 5.0, None])
    blue, red, round_, square, low, middle, high = made.table.weight
    (direction,) = made.dense.weight.T
    prices = (torch.tensor([1.0, 2.0, 5.0]) - 8 / 3) / np.std([1, 2, 5])
    expected = torch.stack([
        (red + round_) / 2 + low + prices[0] * direction,
        middle + prices[1] * direction,
        round_,
        torch.zeros(3),
        (blue + red + square) / 3 + high + prices[2] * direction,
    ])  # fmt: skip
    torch.testing.assert_close(made(None)[:5], expected)


def test_given_features_of_a_user_replace_those_of_the_table() -> None:
    made = features()
    users = UserBatch(
        np.array([0, -1, 2, -1]), np.zeros(0, dtype=int), np.zeros(5, dtype=int),
        features=[None, {"categories": ["red"]}, {"categories": ["blue", "new"]}, None],
    )  # fmt: skip
    blue, red, *_ = made.table.weight
    expected = torch.stack([made(None)[0], red, blue, torch.zeros(3)])
    torch.testing.assert_close(made.of_batch(users), expected)
    assert made.are_known(users).tolist() == [True, True, True, False]
    torch.testing.assert_close(made.of_batch(users.at(np.array([2, 1]))), expected[[2, 1]])
    torch.testing.assert_close(made.of_batch(users.part(1, 3)), expected[1:3])
