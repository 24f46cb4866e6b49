"""The desk: the pages and actions for the operators of the service."""

import asyncio
from collections.abc import Awaitable
from functools import wraps
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tastemaker import wire
from tastemaker.calls import Call
from tastemaker.errors import ServiceError
from tastemaker.metrics.names import title
from tastemaker.web.addresses import root_of
from tastemaker.web.cards import card_of, full_name
from tastemaker.web.charts import Series, bars, lines
from tastemaker.web.inputs import id_in
from tastemaker.web.quality import quality, standings
from tastemaker.web.site import Handler, Site, redirect
from tastemaker.web.visitor import form_of

KEY_COOKIE = "desk_key"
"""Cookie with an admin key; browsers send it to the desk alone, until their session ends."""

MAX_KEY_LENGTH = 256

KEY_REFUSED = (401, 403)

N_POINTS = 2500
N_DEPLOYMENTS = 20
"""Number of deployments on a page."""

DONE_MESSAGES = {
    "reload": "The run folder was opened again, and its model serves now.",
    "rollback": "The previous model serves again.",
    "learn": "A learning run has started; its model is deployed if it is better.",
}

A = TypeVar("A", bound=BaseModel)


def requires_admin_key(page: Handler) -> Handler:
    """Shows a form for an admin key if the service rejects the one given, or the lack of one."""

    @wraps(page)
    async def handler(site: Site, request: Request) -> Response:
        try:
            return await page(site, request)
        except ServiceError as error:
            if error.status not in KEY_REFUSED:
                raise
            has_key = _has_key(request)
            return site.page(
                request, "desk/key.html", status=403, has_key=has_key, notice=None, title="The desk"
            )

    return handler


@requires_admin_key
async def overview(site: Site, request: Request) -> Response:
    """Shows the current model, its evaluation, the service's statistics, and the actions."""
    return await _overview(site, request, DONE_MESSAGES.get(request.query_params.get("done", "")))


@requires_admin_key
async def models(site: Site, request: Request) -> Response:
    """Shows the leaderboard, and one user's lists by two models side by side."""
    requested_id = request.query_params.get("user", "").strip()
    user = id_in(requested_id, "user") if requested_id else site.visitors.of(request)
    board, known, compared = await asyncio.gather(
        _leaderboard(site, request),
        _fetch(site, request, "users", wire.KnownUsers, limit=8),
        _compared(site, request, user),
    )
    lists = [] if compared is None else compared.lists
    shared = (
        set.intersection(*({item.item_id for item in each.items} for each in lists))
        if lists
        else ()
    )
    return site.page(
        request, "desk/models.html", board=board, title="Models", notice=None,
        requested_id=user or "",
        standings=standings(board) if board else [], metric=title(board.metric) if board
        else "", known=known.users, lists=[(each, [*map(card_of, each.items)]) for each in lists],
        shared={str(item) for item in shared} if len(lists) > 1 else set(), key=_has_key(request),
    )  # fmt: skip


@requires_admin_key
async def map_page(site: Site, request: Request) -> Response:
    """Shows the page of the map; the script fetches its points."""
    await _fetch(site, request, "users", wire.KnownUsers, limit=1)  # raises without a valid key
    return site.page(
        request, "desk/map.html", title="Map", notice=None, key=_has_key(request), n=N_POINTS
    )


async def map_points(site: Site, request: Request) -> Response:
    """Returns the points of the map as compact JSON."""
    item_map = await _fetch(site, request, "map", wire.ItemMap, n=N_POINTS)
    points = [
        [
            item.item_id,
            full_name(item.title, item.item_id),
            item.categories or [],
            item.category or "",
            item.x,
            item.y,
            item.n,
        ]
        for item in item_map.items
    ]
    return JSONResponse(
        {"points": points, "explained": item_map.explained, "model": item_map.model},
        headers={"Cache-Control": "no-store"},
    )


@requires_admin_key
async def drift(site: Site, request: Request) -> Response:
    """Shows how well the lists predicted the newest events."""
    report = await _fetch(site, request, "drift", wire.Drift)
    windows = report.windows
    charts = [
        (
            f"Hit rate@{report.k}",
            "The fraction of events whose item was in the list just before the event, with 95% "
            "intervals.",
            lines([
                Series("popularity", "rival", [w.popular_hit_rate for w in windows]),
                Series("the model", "own", [w.hit_rate for w in windows],
                       [w.low for w in windows], [w.high for w in windows]),
            ]),
        ),
        (
            "Popularity",
            "Mean popularity of the listed and the chosen items: the fraction of the catalog that "
            "is less popular. Lists far above the users' choices favour popular items.",
            lines([
                Series("chosen", "rival", [w.chosen_popularity for w in windows]),
                Series("listed", "own", [w.listed_popularity for w in windows]),
            ]),
        ),
        (
            "Coverage",
            "The fraction of the catalog that is in any of the lists.",
            lines([Series("the lists", "own", [w.coverage for w in windows])]),
        ),
    ]  # fmt: skip
    return site.page(
        request, "desk/drift.html", title="Drift", notice=None, drift=report, charts=charts,
        key=_has_key(request),
    )  # fmt: skip


@requires_admin_key
async def perform_action(site: Site, request: Request) -> Response:
    """Performs an action: reload, rollback or learn."""
    action = (await form_of(request))["action"]
    if action not in DONE_MESSAGES:
        return redirect(request, "/desk")
    response_type = wire.LearningStarted if action == "learn" else wire.Deployment
    try:
        await site.api.fetch(
            Call("POST", f"/v1/admin/{action}", response_type), key=_key_of(request)
        )
    except ServiceError as error:
        if error.status in KEY_REFUSED:
            raise
        return await _overview(site, request, None, str(error))
    return redirect(request, f"/desk?done={action}")


async def store_key(site: Site, request: Request) -> Response:
    """Stores an admin key in the cookie; deletes the cookie if the key is empty or invalid."""
    key = (await form_of(request))["key"].strip()
    response, path = redirect(request, "/desk"), f"{root_of(request)}/desk"
    if _is_valid_in_header(key):
        secure = request.url.scheme == "https"
        response.set_cookie(
            KEY_COOKIE, key, httponly=True, secure=secure, samesite="strict", path=path
        )
    else:
        response.delete_cookie(KEY_COOKIE, path=path)
    return response


async def _overview(
    site: Site, request: Request, done: str | None, problem: str | None = None
) -> Response:
    stats, log = await asyncio.gather(
        _fetch(site, request, "stats", wire.Stats),
        _fetch(site, request, "deployments", wire.Deployments, **_page_of(request)),
    )
    n_lists = sum(stats.lists.values())
    return site.page(
        request, "desk/overview.html", status=200 if problem is None else 422, stats=stats,
        deployments=log.deployments, older=log.next_cursor,
        quality=quality(stats.deployment.figures), bars=bars(stats.events_per_minute),
        n_lists=n_lists, done=done, problem=problem,
        fallbacks=stats.lists.get("trending", 0) / n_lists if n_lists else 0.0, title="The desk",
        headline=headline, notice=None, key=_has_key(request),
    )  # fmt: skip


def _page_of(request: Request) -> dict[str, Any]:
    """The query for the requested page of the log of deployments."""
    cursor = request.query_params.get("before")
    return {"limit": N_DEPLOYMENTS} | ({"cursor": cursor} if cursor else {})


def headline(figures: dict[str, Any] | None) -> str:
    """The metric for a row of a table: the first NDCG, else the first metric of all."""
    metrics = (figures or {}).get("metrics") or {}
    name = next((n for n in metrics if n.startswith("ndcg@")), next(iter(metrics), ""))
    return f"{title(name)} {metrics[name]:.4f}" if name else ""


async def _leaderboard(site: Site, request: Request) -> wire.LeaderboardResponse | None:
    try:
        return await _fetch(site, request, "leaderboard", wire.LeaderboardResponse)
    except ServiceError as error:
        if error.status != 404:
            raise
        return None


async def _compared(site: Site, request: Request, user: str | None) -> wire.Compared | None:
    if user is None:
        return None
    return await _fetch(site, request, "compare", wire.Compared, user_id=user, k=10)


def _fetch(
    site: Site, request: Request, resource: str, response_type: type[A], **query: Any
) -> Awaitable[A]:
    path = f"/v1/admin/{resource}"
    return site.api.fetch(Call("GET", path, response_type, query), key=_key_of(request))


def _key_of(request: Request) -> SecretStr | None:
    """The admin key in the cookie; None without one that is valid in a header."""
    key = request.cookies.get(KEY_COOKIE, "")
    return SecretStr(key) if _is_valid_in_header(key) else None


def _has_key(request: Request) -> bool:
    return KEY_COOKIE in request.cookies


def _is_valid_in_header(key: str) -> bool:
    return 0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()
