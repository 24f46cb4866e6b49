"""What routes share: the service, and how JSON goes out."""

from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response
from pydantic import BaseModel

from tastemaker.serving.service import Service


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(_service)]


def json(body: bytes | dict[str, Any] | BaseModel, status: int = 200) -> Response:
    """JSON that is known to be as documented: it is not checked once more."""
    if isinstance(body, BaseModel):
        body = body.model_dump()
    if isinstance(body, dict):
        body = orjson.dumps(body)
    return Response(body, status, media_type="application/json")
