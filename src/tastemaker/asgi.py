"""The application for an ASGI server: uvicorn --factory tastemaker.asgi:application."""

from fastapi import FastAPI

from tastemaker.serving.app import make_app
from tastemaker.serving.http.telemetry import configure_logs
from tastemaker.serving.settings import ServiceSettings
from tastemaker.web.pages import pages


def application() -> FastAPI:
    """Makes the service and its pages from settings in the environment, such as TASTEMAKER_RUN.

    Raises:
        ConfigError: a setting is missing or out of its range.
    """
    settings = ServiceSettings.gathered({})
    configure_logs(settings.logs)
    return with_pages(make_app(settings), settings)


def with_pages(service: FastAPI, settings: ServiceSettings) -> FastAPI:
    """Adds the pages to the service, after its own routes, and returns it."""
    service.router.routes.extend(pages(service, settings.page_key, settings.like_type))
    return service
