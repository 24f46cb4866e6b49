"""The application as an ASGI server wants it: uvicorn --factory tastemaker.asgi:application."""

from fastapi import FastAPI

from tastemaker.serving.app import make_app
from tastemaker.serving.http.telemetry import configure_logs
from tastemaker.serving.settings import ServiceSettings
from tastemaker.web.pages import pages


def application() -> FastAPI:
    """Service and pages with the settings of the environment: TASTEMAKER_RUN and others.

    Raises:
        ConfigError: a setting is missing or out of its range.
    """
    settings = ServiceSettings.gathered({})
    configure_logs(settings.logs)
    return with_pages(make_app(settings), settings)


def with_pages(service: FastAPI, settings: ServiceSettings) -> FastAPI:
    """The service, with pages where it has no routes of its own."""
    service.router.routes.extend(pages(service, settings.page_key))
    return service
