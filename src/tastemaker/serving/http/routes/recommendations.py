"""Recommendations: for a user by id, or for a history in the request."""

from fastapi import APIRouter, Request, Response

from tastemaker.serving.http.auth import ScopeRequired, needs
from tastemaker.serving.http.paths import path_id
from tastemaker.serving.http.problems import documented
from tastemaker.serving.http.routes.common import TheService, json
from tastemaker.serving.http.routes.list_options import ID_PARAMETER, LISTING_PARAMETERS, listing_in
from tastemaker.serving.service import Service
from tastemaker.serving.store.ids import key_of
from tastemaker.wire import ManyRecommendations, RecommendationList, RecommendationsRequest

router = APIRouter(tags=["recommendations"])

may_read = ScopeRequired("read")


@router.get(
    "/users/{user_id}/recommendations",
    response_model=RecommendationList,
    responses=documented(401, 403, 422, 429, 503),
    openapi_extra={
        "parameters": [ID_PARAMETER, *LISTING_PARAMETERS],
        "security": [{may_read.scheme_name: []}],
    },
)
async def recommendations_of_user(request: Request) -> Response:
    """Returns the current list of a user, based on all events up to the latest.

    An unseen user without features that the model reads gets the trending items.
    """
    # The most frequent request. FastAPI would take longer to parse the parameters than a response
    # from the cache takes.
    await may_read(request)
    service: Service = request.app.state.service
    query = request.scope["query_string"].decode("latin-1")
    user_id, listing = path_id(request, "user_id"), listing_in(query)
    return json(await service.list_responses.recommend(user_id, query, listing))


@router.post(
    "/recommendations",
    dependencies=needs("read"),
    response_model=ManyRecommendations,
    responses=documented(401, 403, 413, 422, 429, 503),
)
async def recommendations_for_histories(
    service: TheService, body: RecommendationsRequest
) -> Response:
    """Returns lists for a history in the request or for several users; stores nothing."""

    def lists() -> dict[str, object]:
        live_lists = service.live.recommend(body.requested_users, body)
        vocabulary = live_lists.snapshot.deployed.everything.user_vocabulary
        keys = [
            None if user.user_id is None else key_of(vocabulary, user.user_id)
            for user in body.requested_users
        ]
        contents = [
            service.list_responses.list_fields(live_lists, ranked_list, key)
            for ranked_list, key in zip(live_lists.lists, keys, strict=True)
        ]
        return {"lists": contents}

    return json(await service.gate.run(lists))
