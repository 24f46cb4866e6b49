"""Changes of items at the same time: each is kept whole, as if one came after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import httpx2
import pytest

from tastemaker import wire

from .server import Server

PAIRS = 25
"""Pairs of writes at once. Of two that overwrite each other, one was lost in most pairs."""

_NEW_ITEMS = count(7_000)


@pytest.fixture(params=["new", "of the run"])
def items(request: pytest.FixtureRequest, service: Server) -> list[wire.Id]:
    """Items that no other test has changed."""
    if request.param == "of the run":
        return list(range(PAIRS))
    ids = [next(_NEW_ITEMS) for _ in range(PAIRS)]
    for item in ids:
        service.client.put_item(item, wire.ItemBody(title="First", categories=["low"]))
    return ids


def both(url: str, *writes: Callable[[httpx2.Client], httpx2.Response]) -> list[int]:
    """Sends requests at the same moment; their statuses."""
    together = Barrier(len(writes))

    def send(write: Callable[[httpx2.Client], httpx2.Response]) -> int:
        with httpx2.Client(base_url=url, timeout=30) as client:
            client.get("/healthz")
            together.wait()
            return write(client).status_code

    with ThreadPoolExecutor(len(writes)) as pool:
        return list(pool.map(send, writes))


def test_of_two_patches_at_once_none_is_lost(service: Server, items: list[wire.Id]) -> None:
    for item in items:
        path, before = f"/v1/items/{item}", service.client.item(item)
        statuses = both(
            service.url,
            lambda client, path=path: client.patch(path, json={"available": False}),
            lambda client, path=path: client.patch(path, json={"title": "Renamed"}),
        )
        assert statuses == [200, 200]
        after = service.client.item(item)
        assert (after.available, after.title) == (False, "Renamed")
        assert after.categories == before.categories
        service.client.patch_item(item, available=True, title=before.title)


def test_a_patch_beside_a_put_comes_before_or_after_it(
    service: Server, items: list[wire.Id]
) -> None:
    for item in items:
        path, before = f"/v1/items/{item}", service.client.item(item)
        body = {"title": "Put", "categories": ["high"], "hidden": False}
        statuses = both(
            service.url,
            lambda client, path=path: client.patch(path, json={"image_url": "/patched.jpg"}),
            lambda client, path=path, body=body: client.put(path, json=body),
        )
        assert statuses == [200, 200]
        after = service.client.item(item)
        assert (after.title, after.categories) == ("Put", ["high"])
        assert after.image_url in (None, "/patched.jpg")
        service.client.put_item(
            item, wire.ItemBody(title=before.title, categories=before.categories)
        )


def test_a_deleted_item_stays_deleted_despite_concurrent_patches(
    service: Server, items: list[wire.Id]
) -> None:
    for item in items:
        path, before = f"/v1/items/{item}", service.client.item(item)
        statuses = both(
            service.url,
            lambda client, path=path: client.delete(path),
            lambda client, path=path: client.patch(path, json={"title": "Patched"}),
            lambda client, path=path: client.delete(path),
        )
        assert sorted((statuses[0], statuses[2])) == [204, 404]
        assert statuses[1] in (200, 404)
        assert service.http.get(path).status_code == 404
        assert service.http.patch(path, json={"title": "Patched"}).status_code == 404
        again = service.client.put_item(
            item, wire.ItemBody(title=before.title, categories=before.categories)
        )
        assert (again.title, again.image_url) == (before.title, None)


def test_patch_returns_the_item_after_the_change(service: Server, items: list[wire.Id]) -> None:
    item = items[0]
    service.client.patch_item(item, image_url="/first.jpg")
    patched = service.client.patch_item(item, categories=["high"], hidden=True)
    assert patched == service.client.item(item)
    assert (patched.image_url, patched.categories, patched.hidden) == ("/first.jpg", ["high"], True)
    assert service.http.patch(f"/v1/items/{item}", json={}).json()["hidden"]
    service.client.put_item(item, wire.ItemBody(title=f"Item {item}", categories=["low"]))
