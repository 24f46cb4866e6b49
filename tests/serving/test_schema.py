"""What the service says of itself is true: its schema, held against its answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tastemaker.serving.app import make_app
from tastemaker.serving.settings import ServiceSettings

from .conftest import DATABASES, Databases, Serving
from .server import Server, tastemaker


@schemathesis.serializer("application/x-ndjson")
def _as_one_line(_: schemathesis.SerializationContext, value: object) -> bytes:
    return json.dumps(value).encode()


CHECKS = [
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]

schema = schemathesis.openapi.from_dict(make_app(ServiceSettings(run=Path("run"))).openapi())


@pytest.fixture(scope="module", params=DATABASES)
def questioned(
    request: pytest.FixtureRequest, ease_run: Path, new_database: Databases, serving: Serving
) -> Iterator[Server]:
    """A service to which anything may be sent."""
    with serving(ease_run, new_database(request.param)) as server:
        yield server
        assert "Traceback" not in server.output()


def test_the_command_writes_the_schema_that_the_service_shows(
    on_sqlite: Server, tmp_path: Path
) -> None:
    written = tmp_path / "openapi.json"
    assert tastemaker("openapi", "--out", written).returncode == 0
    served = on_sqlite.http.get("/openapi.json").json()
    assert served == json.loads(written.read_text()) == json.loads(tastemaker("openapi").stdout)


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_response_matches_the_schema(case: schemathesis.Case, questioned: Server) -> None:
    assume(len(str(case.query)) < 30_000)  # a server refuses longer lines before the app sees them
    case.call_and_validate(base_url=questioned.url, checks=CHECKS, timeout=20)
