"""The application as an ASGI server wants it: uvicorn --factory tastemaker.asgi:application."""

from fastapi import FastAPI

from tastemaker.serving.app import make_app
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.telemetry import configure_logs


def application() -> FastAPI:
    """The service with the settings of the environment: TASTEMAKER_RUN and others.

    Raises:
        ConfigError: a setting is missing or out of its range.
    """
    settings = ServiceSettings.gathered({})
    configure_logs(settings.logs)
    return make_app(settings)
