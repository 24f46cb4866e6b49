"""Ids and titles in any script, and ids of the training data that no request can contain."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.errors import UnknownIdError
from tastemaker.testing.worlds import dataset_of

from .conftest import Databases, Serving
from .server import Server

WRITTEN = ["caf\u00e9\u00a0noir", "می\u200cخواهم", "\U0001f469\u200d\U0001f680"]
"""With a space that does not break, and with the joiners of Persian words and of emoji."""

LONG, CONTROLLED = "x" * 300, "bell\x07"
"""Ids that no request can contain, but that can be trained with."""

ITEMS = [*WRITTEN, LONG, CONTROLLED, *(f"item {number:02}" for number in range(25))]
USERS = [LONG, CONTROLLED, "Jos\u00e9\u00a0P", *(f"user {number:02}" for number in range(20))]


@pytest.fixture(scope="module")
def written_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE on users who each touched twelve successive items of thirty."""
    folder = tmp_path_factory.mktemp("written") / "run"
    histories = {
        user: [ITEMS[(place + step) % len(ITEMS)] for step in range(12)]
        for place, user in enumerate(USERS)
    }
    tm.save_run(folder, tm.EASE(regularization=1.0).fit(tm.no_holdout(dataset_of(histories))))
    return folder


@pytest.fixture(scope="module")
def written(written_run: Path, new_database: Databases, serving: Serving) -> Iterator[Server]:
    with serving(written_run, new_database("sqlite")) as server:
        yield server


@pytest.mark.parametrize("item", WRITTEN)
def test_an_id_may_have_any_visible_character_and_joiners(written: Server, item: str) -> None:
    assert written.client.item(item).item_id == item
    user = f"\u200f{item}"
    written.client.record(wire.Event(user_id=user, item_id=item))
    assert [touched.item_id for touched in written.client.history(user).items] == [item]
    assert item not in [place.item_id for place in written.client.recommend(user).items]


@pytest.mark.parametrize(
    "title", ["می\u200cخواهم", "\U0001f469\u200d\U0001f680", "10\u202f000\u00a0km"]
)
def test_a_title_may_have_them_too(written: Server, title: str) -> None:
    written.client.put_item("titled", wire.ItemBody(title=title))
    assert written.client.item("titled").title == title


@pytest.mark.parametrize("character", ["\x00", "\n", "\x7f", "\x9b", "\u202e", "\u2066"])
def test_control_characters_and_changes_of_direction_are_refused(
    written: Server, character: str
) -> None:
    title, item = f"a{character}b", f"i{character}"
    for refused in (
        written.http.put("/v1/items/new", json={"title": title}),
        written.http.post("/v1/events", json={"user_id": "a", "item_id": item}),
    ):
        assert refused.status_code == 422
        assert f"contains the control character U+{ord(character):04X}" in refused.json()["detail"]
    with pytest.raises(UnknownIdError, match="without control characters"):
        written.client.item(item)


def test_ids_that_no_request_can_contain_are_listed(written: Server) -> None:
    listed = [item.item_id for item in written.client.items(limit=50).items]
    assert {LONG, CONTROLLED} < set(listed)
    assert LONG in [item.item_id for item in written.client.recommend("user 10", k=50).items]
    assert written.client.trending(50).items
    assert LONG in [item.item_id for item in written.client.similar("item 00", 50).items]
    assert written.http.get(f"/v1/items/{LONG}").status_code == 422
    with pytest.raises(UnknownIdError, match="1 to 256 characters"):
        written.client.recommend(LONG)


@pytest.mark.parametrize("path", ["/", "/history", "/search?q=item", "/items/item%2000", "/desk"])
def test_pages_show_them(written: Server, path: str) -> None:
    written.http.cookies.set("visitor", "user%2000")
    shown = written.http.get(path)
    assert shown.status_code == 200
    assert "Service error" not in shown.text
