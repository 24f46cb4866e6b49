"""Reads interactions from a database, by a query and an SQLAlchemy URL."""

from typing import Any

from tastemaker.data.dataset import Dataset
from tastemaker.data.sources import read


def read_sql(query: str, url: str, **how: Any) -> Dataset:
    """Reads the interactions that a database query selects.

    Args:
        query: SQL that selects at least a user and an item.
        url: an SQLAlchemy URL, for example sqlite:///shop.db.
        **how: as for `read`.
    """
    return read(url, query=query, **({"name": "query"} | how))
