"""A column of pictures in a table of items."""

import polars as pl
import pytest

from tastemaker.data.catalog import Catalog


@pytest.mark.parametrize("name", ["image_url", "image", "poster_url", "poster", "thumbnail"])
def test_pictures_are_found_by_usual_names(name: str):
    frame = pl.DataFrame({"item_id": [1, 2], name: ["https://a.example/1.png", " /own/2.png "]})
    catalog = Catalog.from_frame(frame, "items.csv")
    assert catalog.frame["image_url"].to_list() == ["https://a.example/1.png", "/own/2.png"]


def test_a_value_that_is_no_url_is_no_picture():
    values = ["javascript:alert(1)", "data:image/png;base64,AA", "poster.png", "", None]
    frame = pl.DataFrame({"item_id": range(5), "image": values})
    assert Catalog.from_frame(frame, "items.csv").frame["image_url"].to_list() == [None] * 5


def test_without_a_column_of_pictures_no_item_has_one():
    frame = pl.DataFrame({"item_id": [1], "title": ["One"]})
    assert "image_url" not in Catalog.from_frame(frame, "items.csv").columns
