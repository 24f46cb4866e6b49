"""Eligible items by category and by list."""

import polars as pl
import pytest

from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.errors import ConfigError, UnknownIdError
from tastemaker.ranking.filters import Eligible
from tastemaker.testing.worlds import dataset_of


@pytest.fixture
def films() -> Dataset:
    catalog = pl.DataFrame(
        {"item_id": [10, 11, 12, 13], "genres": ["Comedy|Drama", "Comedy", "Horror", ""]}
    )
    return dataset_of({0: [10, 11], 1: [12, 13, 14]}).with_catalog(
        Catalog.from_frame(catalog, "films")
    )


def ids(data: Dataset, eligible: Eligible) -> list[int]:
    return data.item_vocabulary.ids.filter(pl.Series(eligible.mask(data))).to_list()


def test_without_filters_every_item_is_eligible(films: Dataset) -> None:
    assert ids(films, Eligible()) == [10, 11, 12, 13, 14]


def test_an_item_of_any_of_the_categories_is_eligible(films: Dataset) -> None:
    assert ids(films, Eligible(categories=["Drama", "Horror"])) == [10, 12]
    assert ids(films, Eligible(categories="Comedy")) == [10, 11]


def test_lists_and_categories_hold_together(films: Dataset) -> None:
    assert ids(films, Eligible(only=[11, 14])) == [11, 14]
    assert ids(films, Eligible(never=[11, 14])) == [10, 12, 13]
    assert ids(films, Eligible(categories=["Comedy"], only=[10, 11, 12], never=10)) == [11]
    assert ids(films, Eligible(only=[])) == []


def test_unknown_names_are_refused_with_the_nearest_name(films: Dataset) -> None:
    with pytest.raises(ConfigError, match='category "Comdy"; did you mean "Comedy"'):
        Eligible(categories=["Comdy"]).mask(films)
    with pytest.raises(UnknownIdError, match="item 99 is not in the data"):
        Eligible(only=[10, 99]).mask(films)
    with pytest.raises(UnknownIdError, match="item 98 is not in the data"):
        Eligible(never=[98]).mask(films)
    with pytest.raises(ConfigError, match="the items have no categories"):
        Eligible(categories=["Comedy"]).mask(dataset_of({0: [1, 2]}))
