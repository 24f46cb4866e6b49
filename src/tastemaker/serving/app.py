"""The app: routes and middleware."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from tastemaker.serving.http import problems
from tastemaker.serving.http.auth import EarlyAuthentication
from tastemaker.serving.http.body_limit import BodyLimit
from tastemaker.serving.http.connections import Connections
from tastemaker.serving.http.headers import SecurityHeaders
from tastemaker.serving.http.origins import OriginCheck
from tastemaker.serving.http.paths import EscapedPathIds
from tastemaker.serving.http.proxies import ForwardedHeaders
from tastemaker.serving.http.routes import (
    admin,
    desk,
    events,
    health,
    items,
    recommendations,
    trending,
    users,
)
from tastemaker.serving.http.telemetry import RequestTelemetry
from tastemaker.serving.service import Service
from tastemaker.serving.settings import ServiceSettings
from tastemaker.wire import CatalogItem, Problem, Wire


def make_app(settings: ServiceSettings) -> FastAPI:
    """Returns the service as an ASGI application, which opens the run when it is started."""
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Connections]]:
        service.start()
        service.learning.begin()
        measuring = asyncio.create_task(service.measure_periodically())
        yield {"connections": Connections(settings, service.telemetry)}
        measuring.cancel()
        await service.learning.end()
        service.stop()

    app = FastAPI(
        title="Tastemaker",
        version=version("tastemaker"),
        summary="Recommendations that every event updates.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for routes in (recommendations, events, items, users, trending, admin, desk):
        app.include_router(routes.router, prefix="/v1")
    app.include_router(health.router)
    problems.install(app)
    _add_schemas(app, Problem, CatalogItem)
    # The middleware added last is the outermost.
    app.add_middleware(problems.UnhandledErrors)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(EarlyAuthentication, service=service)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(EscapedPathIds)
    app.add_middleware(OriginCheck, service=service)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestTelemetry, telemetry=service.telemetry)
    app.add_middleware(
        ForwardedHeaders, trusted=settings.trusted_proxies, root_path=settings.root_path
    )
    return app


def _add_schemas(app: FastAPI, *types: type[Wire]) -> None:
    """Adds the schemas of types that routes reference by name alone."""
    default_openapi = app.openapi

    def openapi() -> dict[str, object]:
        schema = default_openapi()
        schema["components"]["schemas"] |= {
            wire_type.__name__: wire_type.model_json_schema(mode="validation")
            for wire_type in types
        }
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
