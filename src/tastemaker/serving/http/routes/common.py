"""What routes share: the service as a dependency, and JSON responses."""

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
    """Returns a JSON response; the body is known to match its schema and is not validated."""
    if isinstance(body, BaseModel):
        body = body.model_dump()
    if isinstance(body, dict):
        body = orjson.dumps(body)
    return Response(body, status, media_type="application/json")
