"""Recommendations: for somebody by id, or for a history in the request."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tastemaker.serving.auth import needs
from tastemaker.serving.ids import PathId, key_of
from tastemaker.serving.problems import documented
from tastemaker.serving.routes.common import TheService, json
from tastemaker.wire import (
    Listing,
    ManyRecommendations,
    Recommendations,
    RecommendationsRequest,
)

router = APIRouter(tags=["recommendations"], dependencies=needs("read"))


@router.get(
    "/users/{user_id}/recommendations",
    response_model=Recommendations,
    responses=documented(401, 403, 422, 429, 503),
)
async def recommendations_of_user(
    service: TheService, user_id: PathId, listing: Annotated[Listing, Query()], request: Request
) -> Response:
    """The list of a user as of now, events of a moment ago included.

    Somebody who is not known yet gets what is trending.
    """
    query = request.scope["query_string"].decode("latin-1")
    body = service.answers.at_hand(user_id, query)
    if body is None:
        body = await service.gate.run(lambda: service.answers.recommend(user_id, query, listing))
    return json(body)


@router.post(
    "/recommendations",
    response_model=ManyRecommendations,
    responses=documented(401, 403, 413, 422, 429, 503),
)
async def recommendations_for_histories(
    service: TheService, wanted: RecommendationsRequest
) -> Response:
    """Lists for a history in the request, or for several users; nothing of it is kept."""

    def lists() -> dict[str, object]:
        found = service.live.recommend(wanted.asked, wanted)
        vocabulary = found.snapshot.deployed.everything.user_vocabulary
        keys = [
            None if user.user_id is None else key_of(vocabulary, user.user_id)
            for user in wanted.asked
        ]
        answers = [
            service.answers.in_full(found, made, key)
            for made, key in zip(found.lists, keys, strict=True)
        ]
        return {"lists": answers}

    return json(await service.gate.run(lists))
