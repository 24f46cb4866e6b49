"""Items: the catalog, which may change while the service runs."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from tastemaker.errors import ConfigError, UnknownIdError
from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.paths import PathId
from tastemaker.serving.http.problems import NotFoundError, documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.list_responses import item_fields
from tastemaker.serving.store.ids import key_of
from tastemaker.serving.store.item_lines import MEDIA_TYPE, records_in
from tastemaker.serving.store.items import ItemRecord
from tastemaker.wire import (
    Categories,
    Category,
    Item,
    ItemBody,
    Items,
    ItemsKept,
    K,
    SimilarItems,
)

router = APIRouter(tags=["items"])

MAX_ITEMS = 200
"""Maximum number of items on a page."""

Text = Annotated[str, Field(max_length=200)]
Cursor = Annotated[str, Field(max_length=20, pattern=r"^\d+$")]


@router.get(
    "/items",
    response_model=Items,
    responses=documented(401, 403, 422, 429, 503),
    dependencies=needs("read"),
)
async def search_items(
    service: TheService,
    q: Annotated[Text, Query(description="Words of the title, in any order and case.")] = "",
    categories: Annotated[list[Category], Query(max_length=100)] = [],  # noqa: B006
    cursor: Annotated[
        Cursor | None, Query(description="next_cursor of the previous page, to get the next one.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = 50,
) -> Response:
    """Returns a page of the catalog or of a search: best matches first, then by popularity."""

    def page() -> dict[str, Any]:
        catalog = service.live.snapshot().catalog
        catalog.refuse_unknown(categories)
        keys, start = catalog.search(q, categories), int(cursor or 0)
        records = (catalog.record(key) for key in keys[start : start + limit])
        return {
            "items": [_item(catalog, record) for record in records if record is not None],
            "next_cursor": str(start + limit) if start + limit < len(keys) else None,
        }

    return json(await service.gate.run(page))


@router.get(
    "/items/{item_id}/similar",
    response_model=SimilarItems,
    responses=documented(401, 403, 404, 422, 429, 503),
    dependencies=needs("read"),
)
async def similar_items(service: TheService, item_id: PathId, k: K = 10) -> Response:
    """Returns the items most similar to an item, by the model or, for a new item, by categories."""

    def similar() -> bytes:
        record = _record(service.live.snapshot().catalog, item_id)
        return service.similar.response(record, k)

    return json(await service.gate.run(similar))


@router.get(
    "/items/{item_id}",
    response_model=Item,
    responses=documented(401, 403, 404, 422, 429, 503),
    dependencies=needs("read"),
)
async def get_item(service: TheService, item_id: PathId) -> Response:
    """Returns an item of the catalog."""

    def item() -> dict[str, Any]:
        catalog = service.live.snapshot().catalog
        return _item(catalog, _record(catalog, item_id))

    return json(await service.gate.run(item))


@router.post(
    "/items",
    response_model=ItemsKept,
    responses=documented(401, 403, 413, 422, 429, 503),
    dependencies=needs("write"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "One item per line, in JSON.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/CatalogItem"}}},
        }
    },
)
async def put_items(service: TheService, request: Request) -> Response:
    """Adds or replaces items as PUT does, all or none; the body is JSON Lines, one item per line.

    A body may hold as many items as fit (`max_body_bytes`, by default about 8,000 items).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise ConfigError(f"body: send one item per line as JSON, with Content-Type: {MEDIA_TYPE}")
    body = await request.body()

    def put() -> ItemsKept:
        catalog = service.live.snapshot().catalog
        records = records_in(body, catalog.vocabulary)
        for record in records:
            _check_features(catalog, record)
        service.live.items.put(records)
        return ItemsKept(items=len({record.item_id for record in records}))

    return json(await service.write_gate.run(put))


@router.put(
    "/items/{item_id}",
    response_model=Item,
    responses=documented(401, 403, 413, 422, 429, 503),
    dependencies=needs("write"),
)
async def put_item(service: TheService, item_id: PathId, body: ItemBody) -> Response:
    """Adds an item to the catalog, or replaces it.

    `recommendable` in the response tells how a new item can appear in lists.
    """

    def put() -> dict[str, Any]:
        catalog = service.live.snapshot().catalog
        key = key_of(catalog.vocabulary, item_id)
        record = ItemRecord(key).with_fields(body.model_dump())
        _check_features(catalog, record)
        service.live.items.put([record])
        return _item(service.live.snapshot().catalog, record)

    return json(await service.write_gate.run(put))


@router.patch(
    "/items/{item_id}",
    response_model=Item,
    responses=documented(401, 403, 404, 413, 422, 429, 503),
    dependencies=needs("write"),
)
async def patch_item(service: TheService, item_id: PathId, body: ItemBody) -> Response:
    """Changes the given fields of an item, for example to hide it or to make it unavailable."""

    def patch() -> dict[str, Any]:
        catalog = service.live.snapshot().catalog
        base, fields = _base(catalog, item_id), body.model_dump(exclude_unset=True)
        _check_features(catalog, base.with_fields(fields))
        record = service.live.items.patch(base, fields)
        if record is None:
            raise _not_found(item_id)
        return _item(service.live.snapshot().catalog, record)

    return json(await service.write_gate.run(patch))


@router.delete(
    "/items/{item_id}",
    status_code=204,
    responses=documented(401, 403, 404, 422, 429, 503),
    dependencies=needs("write"),
)
async def delete_item(service: TheService, item_id: PathId) -> Response:
    """Deletes an item from the catalog: from lists, searches and displayed histories."""

    def delete() -> None:
        base = _base(service.live.snapshot().catalog, item_id)
        if not service.live.items.delete(base.item_id):
            raise _not_found(item_id)

    await service.write_gate.run(delete)
    return Response(status_code=204)


@router.get(
    "/categories",
    response_model=Categories,
    responses=documented(401, 403, 429, 503),
    dependencies=needs("read"),
)
async def categories_of_items(service: TheService) -> Response:
    """Returns all categories, and the number of items in each."""

    def content() -> dict[str, Any]:
        counts = service.live.snapshot().catalog.n_in_category
        return {"categories": [{"name": name, "n_items": n} for name, n in counts.items()]}

    return json(await service.gate.run(content))


def _check_features(catalog: LiveCatalog, record: ItemRecord) -> None:
    """Raises ConfigError, with the place, if a feature is unknown or not of its kind."""
    try:
        catalog.refuse_wrong_features(record)
    except ConfigError as error:
        raise ConfigError(f"body.features of item {record.item_id}: {error}") from None


def _record(catalog: LiveCatalog, item_id: str) -> ItemRecord:
    """Returns the current record of an item."""
    return _looked_up(catalog, item_id, catalog.record)


def _base(catalog: LiveCatalog, item_id: str) -> ItemRecord:
    """Returns the record that a change starts from if the database has none of the item."""
    return _looked_up(catalog, item_id, catalog.base)


def _looked_up(
    catalog: LiveCatalog, item_id: str, look_up: Callable[[str], ItemRecord | None]
) -> ItemRecord:
    try:
        record = look_up(key_of(catalog.vocabulary, item_id))
    except UnknownIdError:
        record = None
    if record is None:
        raise _not_found(item_id)
    return record


def _not_found(item_id: str) -> NotFoundError:
    return NotFoundError(f"item {item_id} is not in the catalog; add it with PUT")


def _item(catalog: LiveCatalog, record: ItemRecord) -> dict[str, Any]:
    """Returns the content of a `wire.Item`."""
    return item_fields(catalog.vocabulary, record) | {
        "features": record.features,
        "hidden": record.hidden,
        "available": record.available,
        "trained": catalog.code(record.item_id) is not None,
        "recommendable": catalog.recommendable(record),
    }
