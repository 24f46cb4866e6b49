"""Trending: the items that were touched most often recently."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from tastemaker.serving.http.auth import needs
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.live.list_responses import recommended_item
from tastemaker.serving.live.lists import ListRequest, trending_list
from tastemaker.serving.live.user_histories import unseen_user
from tastemaker.wire import Category, K, Listing, Trending

router = APIRouter(tags=["recommendations"], dependencies=needs("read"))


@router.get("/trending", response_model=Trending, responses=documented(401, 403, 422, 429, 503))
async def trending(
    service: TheService,
    k: K = 10,
    categories: Annotated[list[Category], Query(max_length=100)] = [],  # noqa: B006
) -> Response:
    """Returns the items with the most events lately; before any events, the most popular ones."""

    def content() -> dict[str, Any]:
        live = service.live
        snapshot = live.snapshot()
        deployed, catalog = snapshot.deployed, snapshot.catalog
        request = ListRequest.of(Listing(k=k, categories=categories), catalog)
        user = unseen_user(deployed.everything, [])
        scores = live.trending_scores(catalog)
        ranked_list = trending_list(deployed.bundle.model, catalog, user, request, scores)
        return {
            "items": [
                recommended_item(catalog.vocabulary, entry, rank)
                for rank, entry in enumerate(ranked_list.entries, 1)
            ],
            "half_life_s": live.half_life_s,
            "degraded": live.last_snapshot.degraded,
        }

    return json(await service.gate.run(content))
