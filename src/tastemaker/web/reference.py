"""The reference page: describes every route of the API, from the service's OpenAPI schema."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tastemaker.web.addresses import root_of
from tastemaker.web.schemas import Field, Part, Schema, example_of, fields_of, kind_of
from tastemaker.web.site import Site

SUBJECTS = {
    "recommendations": "Recommendation lists for users and for histories, and trending items.",
    "events": "Interactions of users with items. They are on disk before the response is sent.",
    "items": "The catalog, which can change while the service runs, and similar items.",
    "users": "The history of a user, and the deletion of their data.",
    "admin": "The deployed models, and statistics of the service.",
    "health": "Health checks and metrics for monitoring.",
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    title: str
    words: list[str]
    """Paragraphs after the title."""
    parameters: list[tuple[str, Field]]
    """The location of each (path, query, …), and its description."""
    body: list[Part]
    answers: list[tuple[str, str, list[Part]]]
    """Status, description and type of each successful response."""
    problems: list[tuple[str, str]]
    needs_key: bool
    curl: str


@dataclass(frozen=True)
class Subject:
    """Operations with the same OpenAPI tag."""

    name: str
    words: str
    operations: list[Operation]


async def reference(site: Site, request: Request) -> Response:
    """Shows all routes, and the types of their requests and responses."""
    schema = await site.api.schema()
    base = f"{request.url.scheme}://{request.url.netloc}{root_of(request)}"
    types = {
        name: (described.get("description", ""), fields_of(described))
        for name, described in sorted(schema["components"]["schemas"].items())
    }
    return site.page(
        request, "reference.html", subjects=subjects_of(schema, base), types=types, base=base,
        notice=None, title="The API",
    )  # fmt: skip


def subjects_of(schema: Schema, base: str) -> list[Subject]:
    """The operations by subject: those of SUBJECTS first, then others as they occur."""
    operations: dict[str, list[Operation]] = {name: [] for name in SUBJECTS}
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            subject = described.get("tags", ["other"])[0]
            operation = _operation(path, method, described, schema, base)
            operations.setdefault(subject, []).append(operation)
    return [Subject(name, SUBJECTS.get(name, ""), ops) for name, ops in operations.items() if ops]


def _operation(path: str, method: str, operation: Schema, schema: Schema, base: str) -> Operation:
    description: str = operation.get("description") or operation.get("summary") or ""
    title, *words = description.split("\n\n")
    _, body = _body(operation)
    answers, problems = [], []
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content = answer.get("content", {}).get("application/json", {}).get("schema")
            answers.append((status, "", kind_of(content) if content else []))
        else:
            problems.append((status, answer.get("description", "")))
    return Operation(
        anchor=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        title=title,
        words=words,
        parameters=list(_parameters(operation)),
        body=kind_of(body) if body else [],
        answers=answers,
        problems=problems,
        needs_key=bool(operation.get("security")),
        curl=_curl(path, method, operation, schema, base),
    )


def _parameters(operation: Schema) -> Iterator[tuple[str, Field]]:
    for parameter in operation.get("parameters", ()):
        wrapped = {"properties": {parameter["name"]: parameter["schema"]}}
        field = fields_of(wrapped)[0]
        words = parameter.get("description", "") or field.words
        yield (
            parameter["in"],
            field._replace(required=parameter.get("required", False), words=words),
        )


def _body(operation: Schema) -> tuple[str, Schema]:
    """The media type of the body and its schema (of one line of JSON Lines); empty without one."""
    content = operation.get("requestBody", {}).get("content", {})
    return next(((kind, media["schema"]) for kind, media in content.items()), ("", {}))


def _curl(path: str, method: str, operation: Schema, schema: Schema, base: str) -> str:
    """A curl command that can be pasted; it sends $KEY where the route requires a key."""
    example_path = path.replace("{user_id}", "42").replace("{item_id}", "296")
    required_query = [
        f"{parameter['name']}={example_of(parameter['schema'], {})}"
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and parameter.get("required")
    ]
    url = base + example_path + (f"?{'&'.join(required_query)}" if required_query else "")
    parts = ["curl", *([] if method == "get" else ["-X", method.upper()]), f"'{url}'"]
    if operation.get("security"):
        parts.append('-H "Authorization: Bearer $KEY"')
    media_type, body = _body(operation)
    if body:
        example: Any = example_of(body, schema["components"]["schemas"])
        parts.append(f"-H 'Content-Type: {media_type}'")
        parts.append(f"-d '{json.dumps(example, ensure_ascii=False)}'")
    return " \\\n  ".join(
        [" ".join(parts[: 2 if method == "get" else 4]), *parts[2 if method == "get" else 4 :]]
    )
