"""The desk: how the service fares, for the people who run it."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from tastemaker.serving.auth import needs
from tastemaker.serving.event_store import hashed
from tastemaker.serving.problems import documented
from tastemaker.serving.routes.common import TheService, json
from tastemaker.wire import KnownUsers

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=needs("admin"))

PROBLEMS = documented(401, 403, 422, 429, 503)

MOST_KNOWN = 200


@router.get("/users", response_model=KnownUsers, responses=PROBLEMS)
async def known_users(
    service: TheService, limit: Annotated[int, Query(ge=1, le=MOST_KNOWN)] = 20
) -> Response:
    """Some users of the training data, evenly from the shortest to the longest history.

    Users who were forgotten are not among them.
    """

    def found() -> dict[str, Any]:
        snapshot = service.live.snapshot()
        data = snapshot.deployed.everything
        lengths = np.diff(data.indptr)
        ordered = np.argsort(lengths, kind="stable")
        ordered = ordered[lengths[ordered] > 0]
        places = np.linspace(0, len(ordered) - 1, min(limit, len(ordered))).round().astype(int)
        codes = ordered[places]
        ids = data.user_vocabulary.ids.gather(codes).to_list()
        users = [
            {"user_id": user, "n_items": int(lengths[code])}
            for user, code in zip(ids, codes, strict=True)
            if hashed(str(user)) not in snapshot.forgotten
        ]
        return {"users": users, "n_users": len(ordered)}

    return json(await service.gate.run(found))
