"""Loading a catalog: many items in one request, all or none, by the rules of PUT."""

import json
from itertools import count

import pytest

from tastemaker import wire
from tastemaker.errors import ServiceError

from .server import Server

NDJSON = {"Content-Type": "application/x-ndjson"}

_NEW_ITEMS = count(100_000, 1_000)


@pytest.fixture
def first() -> int:
    """The id of an unknown item, like the 999 after it."""
    return next(_NEW_ITEMS)


def lines(*items: object) -> bytes:
    return "\n".join(json.dumps(item) for item in items).encode()


def test_many_items_are_put_at_once_and_found_at_once(service: Server, first: int) -> None:
    items = [
        wire.CatalogItem(
            item_id=first + number,
            title=f"Loaded {first + number}",
            categories=["low", f"c{first}"],
        )
        for number in range(500)
    ]
    assert service.client.put_items(items).items == 500
    assert service.client.item(first + 499).title == f"Loaded {first + 499}"
    assert len(service.client.items(categories=[f"c{first}"], limit=200).items) == 200
    counts = {each.name: each.n_items for each in service.client.categories()}
    assert counts[f"c{first}"] == 500
    again = [wire.CatalogItem(item_id=item.item_id, hidden=True) for item in items]
    assert service.client.put_items(again).items == 500
    assert f"c{first}" not in [each.name for each in service.client.categories()]


def test_a_line_replaces_the_item_as_put_does(service: Server, first: int) -> None:
    service.client.put_item(first, wire.ItemBody(title="Before", image_url="/before.jpg"))
    service.client.delete_item(39)
    body = lines({"item_id": first, "title": "After"}, {"item_id": str(first + 1)}, {"item_id": 39})
    answer = service.http.post("/v1/items", content=body + b"\r\n\n", headers=NDJSON)
    assert answer.json() == {"items": 3}
    item = service.client.item(first)
    assert (item.title, item.image_url) == ("After", None)
    assert service.client.item(first + 1).item_id == first + 1
    assert service.client.item(39).recommendable == "model"
    service.client.put_item(39, wire.ItemBody(title="Item 39", categories=["high"]))


def test_of_several_lines_about_an_item_the_last_counts(service: Server, first: int) -> None:
    body = lines({"item_id": first, "title": "One"}, {"item_id": first, "hidden": True})
    answer = service.http.post("/v1/items", content=body, headers=NDJSON)
    assert answer.json() == {"items": 1}
    item = service.client.item(first)
    assert (item.title, item.hidden) == (None, True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"item_id": 1, "title": 7}', "line 2.title: 7: input should be a valid string"),
        (b'{"item_id": 1, "titel": "x"}', "line 2.titel: 'x': extra inputs are not permitted"),
        (b'{"title": "x"}', "line 2.item_id: field required"),
        (b'{"item_id": 1, "image_url": "x"}', "line 2.image_url: 'x': string should match"),
        (b'{"item_id": 1, "categories": ["a", ""]}', "line 2.categories.1: '': string should have"),
        (b'{"item_id": "a\\u0000b"}', "contains the control character U+0000"),
        (b'{"item_id": "matrix"}', "line 2.item_id: item matrix is unknown: the item ids of this"),
        (b'{"item_id": 1', "line 2: invalid JSON: EOF while parsing an object at column 13"),
        (b"\xff", "line 2: invalid JSON"),
        (b"[]", "line 2: input should be an object"),
    ],
)
def test_an_invalid_line_is_named_and_no_item_is_stored(
    on_sqlite: Server, first: int, line: bytes, message: str
) -> None:
    body = lines({"item_id": first}) + b"\n" + line + b"\n" + lines({"item_id": first + 1})
    answer = on_sqlite.http.post("/v1/items", content=body, headers=NDJSON)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert message in answer.json()["detail"]
    assert on_sqlite.http.get(f"/v1/items/{first}").status_code == 404


def test_a_body_that_is_no_json_lines_is_refused_with_the_remedy(
    on_sqlite: Server, first: int
) -> None:
    as_json = on_sqlite.http.post("/v1/items", json={"item_id": first})
    assert as_json.status_code == 422
    assert "application/x-ndjson" in as_json.json()["detail"]
    empty = on_sqlite.http.post("/v1/items", content=b"\n", headers=NDJSON)
    assert empty.status_code == 422
    assert "send one item per line" in empty.json()["detail"]


def test_a_body_that_is_too_large_is_refused(on_sqlite: Server, first: int) -> None:
    title = "x" * 1_000
    items = [wire.CatalogItem(item_id=first + i, title=title) for i in range(1_100)]
    with pytest.raises(ServiceError, match="larger than 1,048,576 bytes") as refused:
        on_sqlite.client.put_items(items)
    assert refused.value.status == 413
    assert on_sqlite.http.get(f"/v1/items/{first}").status_code == 404


def test_the_line_is_documented(on_sqlite: Server) -> None:
    schema = on_sqlite.http.get("/openapi.json").json()
    content = schema["paths"]["/v1/items"]["post"]["requestBody"]["content"]
    assert content["application/x-ndjson"]["schema"]["$ref"].endswith("/CatalogItem")
    described = schema["components"]["schemas"]["CatalogItem"]
    assert {"item_id", "title", "categories", "hidden"} <= set(described["properties"])
