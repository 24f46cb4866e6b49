"""Who may do what, what is too much, and what an answer never says."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
import sqlalchemy as sql

from tastemaker import wire

from .conftest import Databases, Serving, event_counts
from .server import Server, tastemaker, until

AT_ONCE_S = 2.0
"""A database over the network is asked about keys once a second; a local file always."""


def key_made(database: str, *scopes: str, label: str = "") -> str:
    options = [part for scope in scopes for part in ("--scope", scope)]
    made = tastemaker("keys", "add", "--database", database, "--label", label, "--json", *options)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)["key"]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# Keys on the command line


def test_a_key_is_shown_once_and_only_its_hash_is_kept(database: str) -> None:
    key = key_made(database, "read", "write", label="shop")
    key_id, _, secret = key.partition(".")
    listed = tastemaker("keys", "list", "--database", database, "--json")
    (row,) = json.loads(listed.stdout)["keys"]
    assert (row["key_id"], row["scopes"], row["label"], row["revoked"]) == (
        key_id, "read write", "shop", None
    )  # fmt: skip
    assert secret not in listed.stdout
    assert len(secret) >= 43, "256 bits"
    assert secret not in everything_in(database)
    assert tastemaker("keys", "revoke", key_id, "--database", database).returncode == 0
    again = tastemaker("keys", "revoke", key_id, "--database", database)
    assert again.returncode == 2
    assert f"there is no valid key {key_id}" in again.stderr


@pytest.mark.parametrize("action", ["add", "list"])
def test_only_a_key_to_revoke_is_given_by_its_id(action: str, tmp_path: Path) -> None:
    refused = tastemaker("keys", action, "shop", "--database", f"sqlite:///{tmp_path}/keys.db")
    assert refused.returncode == 2
    assert f'keys {action} takes no KEY_ID; leave out "shop"' in refused.stderr
    assert not list(tmp_path.iterdir())


def everything_in(database: str) -> str:
    url = sql.make_url(database.replace("postgresql:", "postgresql+psycopg:"))
    engine = sql.create_engine(url)
    try:
        with engine.connect() as connection:
            rows = [
                [tuple(row) for row in connection.execute(sql.select(table))]
                for table in tables_of(connection)
            ]
    finally:
        engine.dispose()
    assert rows
    return repr(rows)


def tables_of(connection: sql.Connection) -> list[sql.Table]:
    metadata = sql.MetaData()
    metadata.reflect(connection)
    return list(metadata.tables.values())


def test_mistakes_with_keys_end_in_one_clear_line(new_database: Databases) -> None:
    database = new_database("sqlite")
    for arguments, words in [
        (("add", "--database", database, "--scope", "wirte"), 'did you mean "write"'),
        (("revoke", "--database", database), "give the id of the key"),
        (("revoke", "abc", "--database", database), "there is no valid key abc"),
        (("list",), "give --run or --database"),
        (("list", "--database", "mysqll://x"), "a URL looks like"),
    ]:
        ended = tastemaker("keys", *arguments)
        assert ended.returncode == 2, arguments
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr


# Who may do what


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_service_without_keys_does_not_listen_on_other_interfaces(
    host: str, ease_run: Path, new_database: Databases
) -> None:
    if host == "::" and not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    ended = tastemaker(
        "serve", ease_run, "--host", host, "--port", 0, "--database", new_database("sqlite")
    )
    assert ended.returncode == 2
    assert "tastemaker keys add" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_public_service_requires_a_key(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    key = key_made(database, "read")
    with serving(ease_run, database, "--host", "0.0.0.0", key=key) as service:
        port = service.url.rpartition(":")[2]
        for path in ("/v1/users/3/recommendations", "/v1/items", "/v1/trending"):
            url = f"http://127.0.0.1:{port}{path}"
            assert httpx2.get(url).status_code == 401
            assert httpx2.get(url, headers=bearer(key)).status_code == 200
        # After the last key is revoked, no request is allowed.
        tastemaker("keys", "revoke", key.partition(".")[0], "--database", database)
        assert httpx2.get(url, headers=bearer(key)).status_code == 401
        assert httpx2.get(url).status_code == 401


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def guarded(
    request: pytest.FixtureRequest, ease_run: Path, new_database: Databases, serving: Serving
) -> Iterator[tuple[Server, dict[str, str]]]:
    """A service that asks for keys, and one key for each scope."""
    database = new_database(request.param)
    keys = {scope: key_made(database, scope) for scope in ("read", "write", "admin")}
    with serving(ease_run, database, key=keys["read"]) as server:
        yield server, keys


NEEDS = [
    ("GET", "/v1/users/3/recommendations", "read"),
    ("POST", "/v1/recommendations", "read"),
    ("GET", "/v1/users/3/history", "read"),
    ("GET", "/v1/items", "read"),
    ("GET", "/v1/items/3", "read"),
    ("GET", "/v1/items/3/similar", "read"),
    ("GET", "/v1/categories", "read"),
    ("GET", "/v1/trending", "read"),
    ("GET", "/metrics", "read"),
    ("POST", "/v1/events", "write"),
    ("PUT", "/v1/items/3", "write"),
    ("PATCH", "/v1/items/3", "write"),
    ("DELETE", "/v1/items/3", "write"),
    ("DELETE", "/v1/users/3/history/3", "write"),
    ("DELETE", "/v1/users/3", "write"),
    ("GET", "/v1/admin/deployments", "admin"),
    ("POST", "/v1/admin/reload", "admin"),
    ("POST", "/v1/admin/rollback", "admin"),
]


def test_every_route_checks_its_scope_before_it_reads_the_request(
    guarded: tuple[Server, dict[str, str]],
) -> None:
    service, keys = guarded
    for method, path, scope in NEEDS:
        without = httpx2.request(method, service.url + path)
        assert (method, path, without.status_code) == (method, path, 401)
        assert without.headers["WWW-Authenticate"] == "Bearer"
        for other in keys.keys() - {scope}:
            refused = httpx2.request(method, service.url + path, headers=bearer(keys[other]))
            assert (method, path, refused.status_code) == (method, path, 403)
            assert f"the scope {scope}" in refused.json()["detail"]
    for method, path, scope in NEEDS:
        if method == "GET" and scope == "read":
            assert service.http.request(method, path).status_code == 200


def test_every_route_of_the_api_is_in_that_list(guarded: tuple[Server, dict[str, str]]) -> None:
    schema = guarded[0].http.get("/openapi.json").json()
    written = {
        (method.upper(), path.replace("{user_id}", "3").replace("{item_id}", "3"))
        for path, methods in schema["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    }
    listed = {(method, path) for method, path, _ in NEEDS}
    for method, path in written - listed:
        status = httpx2.request(method, guarded[0].url + path).status_code
        assert status == 401, f"{method} {path} needs no key"


def test_health_checks_need_no_key(guarded: tuple[Server, dict[str, str]]) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx2.get(guarded[0].url + path).status_code == 200


def test_every_wrong_key_gets_the_same_message(guarded: tuple[Server, dict[str, str]]) -> None:
    service, keys = guarded
    key_id, _, secret = keys["read"].partition(".")
    wrong = [
        "", "Bearer", f"Basic {keys['read']}", f"Bearer {key_id}", f"Bearer .{secret}",
        f"Bearer {key_id}.{secret[:-1]}", f"Bearer {key_id}.{secret}x", "Bearer ' OR 1=1 --",
        f"Bearer {key_id}." + "x" * 2000, f"Bearer {keys['write'].partition('.')[0]}.{secret}",
    ]  # fmt: skip
    details = set()
    for header in wrong:
        answer = httpx2.get(f"{service.url}/v1/items", headers={"Authorization": header})
        assert answer.status_code == 401, header
        details.add(answer.json()["detail"])
    assert details == {"this request needs a valid key: send it as Authorization: Bearer KEY"}
    assert httpx2.get(
        f"{service.url}/v1/items", headers={"Authorization": f"bearer {keys['read']}"}
    ).is_success


def test_a_key_header_that_is_no_text_is_refused(guarded: tuple[Server, dict[str, str]]) -> None:
    key_id = guarded[1]["read"].partition(".")[0].encode()
    answer = httpx2.get(
        f"{guarded[0].url}/v1/items",
        headers={b"Authorization": b"Bearer " + key_id + b".\xff\xfe\xc3\xa4"},
    )
    assert answer.status_code == 401


def test_a_key_works_as_soon_as_it_is_made_and_no_longer_than_until_it_is_revoked(
    guarded: tuple[Server, dict[str, str]],
) -> None:
    service, _ = guarded
    key = key_made(service.database, "read")

    def status() -> int:
        return httpx2.get(f"{service.url}/v1/items", headers=bearer(key)).status_code

    until(lambda: status() == 200, AT_ONCE_S)
    tastemaker("keys", "revoke", key.partition(".")[0], "--database", service.database)
    if service.database.startswith("sqlite"):
        assert status() == 401
    until(lambda: status() == 401, AT_ONCE_S)


def test_revoking_all_keys_does_not_allow_access_without_one(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    with serving(ease_run, database) as server:
        assert server.http.get("/v1/trending").status_code == 200, "on loopback, without keys"
        made = tastemaker("keys", "add", "--database", database, "--json")
        key_id = json.loads(made.stdout)["key_id"]
        assert tastemaker("keys", "revoke", key_id, "--database", database).returncode == 0
        assert server.http.get("/v1/trending").status_code == 401


def test_a_read_key_reads_and_a_write_key_writes(guarded: tuple[Server, dict[str, str]]) -> None:
    service, keys = guarded
    event = {"user_id": 77_777, "item_id": 1}
    url = f"{service.url}/v1/events"
    assert httpx2.post(url, json=event, headers=bearer(keys["write"])).status_code == 200
    assert service.client.history(77_777).items[0].item_id == 1
    assert httpx2.get(
        f"{service.url}/v1/admin/deployments", headers=bearer(keys["admin"])
    ).is_success


def test_a_key_is_neither_logged_nor_repeated(guarded: tuple[Server, dict[str, str]]) -> None:
    service, keys = guarded
    for key in keys.values():
        answer = httpx2.get(f"{service.url}/v1/admin/deployments", headers=bearer(key))
        assert key.partition(".")[2] not in answer.text
        assert key.partition(".")[2] not in service.output()


# What is too much


def test_a_body_that_is_too_large_is_refused(service: Server, unseen_user: int) -> None:
    event = {"user_id": unseen_user, "item_id": 1, "event_id": f"large-{unseen_user}"}
    body = json.dumps(event | {"type": "x" * (1 << 20)}).encode()
    announced = service.http.post("/v1/events", content=body)
    assert (announced.status_code, "1,048,576 bytes" in announced.json()["detail"]) == (413, True)

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    in_parts = service.http.post("/v1/events", content=parts())
    assert in_parts.status_code == 413
    assert event_counts(service.database)[f"large-{unseen_user}"] == 0


def test_requests_over_the_rate_limit_get_a_retry_time(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    key, other_key = key_made(database, "read"), key_made(database, "read")
    with serving(ease_run, database, "--rate", 5, burst=10, key=key) as service:
        answers = [service.http.get("/v1/users/3/recommendations") for _ in range(30)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:10] == [200] * 10
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["Retry-After"]) >= 1
        assert "5 requests per second" in refused.json()["detail"]
        others = httpx2.get(f"{service.url}/v1/items", headers=bearer(other_key))
        assert others.status_code == 200, "another key has its own allowance"
        assert service.http.get("/readyz").status_code == 200
        until(lambda: service.http.get("/v1/items").status_code == 200, 3)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/users/3/recommendations?k=0", None),
        ("GET", "/v1/users/3/recommendations?k=501", None),
        ("GET", "/v1/users/3/recommendations?k=ten", None),
        ("GET", "/v1/users/3/recommendations?diversity=1.5", None),
        ("GET", "/v1/users/3/recommendations?diversity=nan", None),
        ("GET", "/v1/users/3/history?limit=1001", None),
        ("GET", "/v1/items?limit=201", None),
        ("GET", "/v1/items?cursor=abc", None),
        ("GET", "/v1/items?cursor=-1", None),
        ("GET", "/v1/items?q=" + "x" * 201, None),
        ("GET", "/v1/trending?k=501", None),
        ("GET", "/v1/items/3/similar?k=501", None),
        ("POST", "/v1/recommendations", {"history": [3] * 1001}),
        ("POST", "/v1/recommendations", {"users": [{"user_id": 1}] * 101}),
        ("POST", "/v1/recommendations", {"users": []}),
        ("POST", "/v1/recommendations", {"k": 3}),
        ("POST", "/v1/recommendations", {"history": [3], "users": [{"user_id": 1}]}),
        ("POST", "/v1/recommendations", {"history": [3], "exclude": [3] * 1001}),
        ("POST", "/v1/recommendations", {"history": [{"a": 1}]}),
        ("POST", "/v1/recommendations", {"history": [2**63]}),
        ("POST", "/v1/events", {"user_id": "", "item_id": 1}),
        ("POST", "/v1/events", {"user_id": "x" * 257, "item_id": 1}),
        ("POST", "/v1/events", {"user_id": 1, "item_id": 1, "event_id": "x" * 129}),
        ("POST", "/v1/events", {"user_id": 1, "item_id": 1, "type": "x" * 65}),
        ("POST", "/v1/events", {"user_id": "a\nb", "item_id": 1}),
        ("POST", "/v1/events", {"user_id": "a\u0000b", "item_id": 1}),
        ("POST", "/v1/events", {"user_id": 1, "item_id": 1, "timestamp": 1e300}),
        ("POST", "/v1/events", {"user_id": 1, "item_id": 1, "timestamp": True}),
        ("POST", "/v1/events", {"user_id": True, "item_id": 1}),
        ("POST", "/v1/recommendations", {"history": [3], "k": True}),
        ("POST", "/v1/recommendations", {"history": [3], "diversity": True}),
        ("POST", "/v1/events", {"user_id": 1, "item_id": 1, "\ud800": 1}),
        ("POST", "/v1/events", {"user_id": 1, "item_id": 1, "k" * 100_000: 1}),
        ("POST", "/v1/events", [1, 2]),
        ("POST", "/v1/events", "text"),
        ("PUT", "/v1/items/3", {"title": "x" * 1001}),
        ("PUT", "/v1/items/3", {"image_url": "javascript:alert(1)"}),
        ("PUT", "/v1/items/3", {"categories": ["x"] * 101}),
        ("PUT", "/v1/items/3", {"title": "a\u0007b"}),
    ],
)
def test_a_value_out_of_bounds_is_a_problem_response_that_names_it(
    on_sqlite: Server, method: str, path: str, body: object
) -> None:
    content = None if body is None else json.dumps(body)
    answer = on_sqlite.http.request(
        method, path, content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = wire.Problem.model_validate(answer.json())
    assert problem.status == 422
    assert len(problem.detail) < 2_000
    assert "Traceback" not in answer.text
    assert problem.request_id == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 50_000, b'{"user_id": ' + b"9" * 5_000 + b"}", b"NaN",
     b'{"user_id": NaN, "item_id": 1}', b'{"user_id": 1, "item_id": 1, "timestamp": Infinity}'],
)  # fmt: skip
def test_a_body_that_is_not_json_is_a_client_error(on_sqlite: Server, content: bytes) -> None:
    for path in ("/v1/events", "/v1/recommendations"):
        answer = on_sqlite.http.post(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Traceback" not in answer.text


# Ids are just ids


HARMLESS = [
    "..", ".", "../../etc/passwd", "%2e%2e", "a/b", "/", "' OR '1'='1", "1; DROP TABLE events; --",
    'x" onload="', "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "%s%n", "C:\\x",
    "ünïcode 🎬", "null", "-0", "007", "1e3", "x" * 256, "?k=1", "#", "%00", "a b", "+", "=cmd()",
]  # fmt: skip


@pytest.mark.parametrize("user", HARMLESS)
def test_any_text_is_a_valid_id(service: Server, user: str) -> None:
    service.client.record(wire.Event(user_id=user, item_id=3))
    history = service.client.history(user)
    assert (history.user_id, [item.item_id for item in history.items]) == (user, [3])
    answer = service.client.recommend(user, k=3)
    assert (answer.user_id, answer.source) == (user, "model")
    service.client.retract(user, 3)
    assert service.client.history(user).items == []
    assert service.client.forget(user).events == 2
    assert "events" in [table.name for table in named_tables(service.database)]


def named_tables(database: str) -> list[sql.Table]:
    engine = sql.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            return tables_of(connection)
    finally:
        engine.dispose()


@pytest.mark.parametrize("path", ["/v1/users/{}/history", "/v1/items/{}", "/v1/items/{}/similar"])
@pytest.mark.parametrize("bad", ["x" * 257, "a\x00b", "a\nb", "\x1b[31m", "a\u202eb"])
def test_an_invalid_id_is_refused_in_a_path(service: Server, path: str, bad: str) -> None:
    answer = service.http.get(path.format(quote(bad)))
    assert answer.status_code in (404, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    ["/v1/users/%ff/history", "/v1/users/%ff%fe/recommendations", "/v1/users/%ED%A0%80/history",
     "/v1/items/%C3", "/items/%ff", "/v1/items?q=%ff", "/v1/users/3/recommendations?exclude=%ff"],
)  # fmt: skip
def test_bytes_that_are_no_utf_8_are_no_id(on_sqlite: Server, path: str) -> None:
    answer = on_sqlite.http.get(httpx2.URL(on_sqlite.url, raw_path=path.encode()))
    assert answer.status_code == 422
    assert "not UTF-8" in answer.json()["detail"]


def test_an_unknown_category_is_refused_with_a_short_message(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(ease_run, new_database("sqlite")) as service:
        for page in range(10):
            names = [f"category {page * 100 + n}" for n in range(100)]
            service.client.put_item(5000 + page, wire.ItemBody(title="x", categories=names))
        for path in ("/v1/items", "/v1/users/3/recommendations", "/v1/trending"):
            answer = service.http.get(path, params={"categories": "zzzz"})
            assert answer.status_code == 422
            assert "more" in answer.json()["detail"]
            assert len(answer.content) < 2_000


# What an answer says besides


@pytest.mark.parametrize("path", ["/v1/items", "/v1/nothing", "/healthz", "/v1/items?limit=0"])
def test_every_answer_has_the_headers_that_protect_a_browser(on_sqlite: Server, path: str) -> None:
    headers = on_sqlite.http.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "server" not in headers


def test_a_missing_page_is_a_problem_response(on_sqlite: Server) -> None:
    missing = on_sqlite.http.get("/v1/nothing")
    assert (missing.status_code, missing.json()["title"]) == (404, "Not Found")
    wrong = on_sqlite.http.delete("/v1/trending")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET")
    for answer in (missing, wrong):
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_other_origins_are_allowed_only_by_name(
    on_sqlite: Server, ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    def allowed(service: Server, origin: str) -> str | None:
        preflight = service.http.options(
            "/v1/events",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
        )
        plain = service.http.get("/v1/items", headers={"Origin": origin})
        origins = {
            answer.headers.get("Access-Control-Allow-Origin") for answer in (preflight, plain)
        }
        assert len(origins) == 1
        return origins.pop()

    shop = "https://shop.example"
    assert allowed(on_sqlite, shop) is None
    with serving(ease_run, new_database("sqlite"), "--cors", shop) as named:
        assert allowed(named, shop) == shop
        assert allowed(named, "https://evil.example") is None


def test_a_page_of_another_site_cannot_drive_a_service_without_keys(
    on_sqlite: Server, ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    def statuses(service: Server, **headers: str) -> list[int]:
        return [
            service.http.request(method, path, json=body, headers=headers).status_code
            for method, path, body in [
                ("POST", "/v1/admin/reload", None),
                ("POST", "/v1/events", {"user_id": 7, "item_id": 3}),
                ("DELETE", "/v1/users/7/history/3", None),
            ]
        ]

    own = on_sqlite.url
    allowed_origin = "https://evil.example"
    assert statuses(on_sqlite) == statuses(on_sqlite, Origin=own) == [200, 200, 204]
    for headers in (
        {"Origin": allowed_origin},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": own.replace("127.0.0.1", "127.0.0.1.evil.example")},
    ):
        assert statuses(on_sqlite, **headers) == [403] * 3, headers
    database = new_database("sqlite")
    with serving(
        ease_run, database, "--cors", allowed_origin, "--trusted-host", "shop.example"
    ) as named:
        assert statuses(named, Origin=allowed_origin) == [200, 200, 204]
        for host, status in [("shop.example", 200), ("evil.example", 421)]:
            assert named.http.get("/v1/items", headers={"Host": host}).status_code == status
        # What has a key cannot be sent by another's page, so that any name is as good.
        key = key_made(database, "read")
        answer = named.http.get("/v1/items", headers={"Host": "evil.example", **bearer(key)})
        assert answer.status_code == 200


def test_hosts_and_origins_are_those_of_requests_however_they_are_written(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    options = ("--trusted-host", "Shop.Example:8000", "--trusted-host", "fd00::7")
    cors = ("--cors", "https://Pages.Example:443/")
    with serving(ease_run, new_database("sqlite"), *options, *cors) as service:
        for host in ("shop.example", "SHOP.example:9000", "[fd00::7]:80"):
            assert service.http.get("/v1/items", headers={"Host": host}).status_code == 200
        answer = service.http.get("/v1/items", headers={"Origin": "https://pages.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://pages.example"


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--trusted-host", "https://shop.example", "a host name alone, such as shop.example"),
        ("--trusted-host", "shop.example/shop", "a host name alone"),
        ("--trusted-host", "", "a host name alone"),
        ("--trusted-proxy", "abc", "an address or a network, such as 10.0.0.5 or 10.0.0.0/8"),
        ("--trusted-proxy", "10.0.0.5/8", "an address or a network"),
        ("--trusted-proxy", "10.0.0.0/33", "an address or a network"),
        ("--cors", "shop.example", "an origin without a path, such as https://shop.example"),
        ("--cors", "https://shop.example/pages", "an origin without a path"),
    ],
)
def test_what_is_no_host_origin_or_proxy_is_refused_at_the_start(
    ease_run: Path, option: str, value: str, reason: str
) -> None:
    ended = tastemaker("serve", ease_run, "--port", 0, option, value)
    assert ended.returncode == 2
    assert f"is '{value}', but it should be {reason}" in " ".join(ended.stderr.split())


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "evil.example:1"])
def test_a_rebound_host_name_is_refused(on_sqlite: Server, host: str) -> None:
    for path in ("/v1/users/3/history", "/", "/docs", "/metrics", "/no/such/page"):
        answer = on_sqlite.http.get(path, headers={"Host": host})
        assert (answer.status_code, "trusted_hosts" in answer.text) == (421, True)
    port = on_sqlite.url.rpartition(":")[2]
    for own in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert on_sqlite.http.get("/v1/items", headers={"Host": own}).status_code == 200


def test_a_forged_address_does_not_avoid_the_rate_limit(
    ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    def sent(service: Server) -> set[int]:
        return {
            service.http.get("/v1/items", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
            for n in range(12)
        }

    with serving(ease_run, new_database("sqlite"), "--rate", 0.01, burst=5) as service:
        assert sent(service) == {200, 429}
    with serving(
        ease_run, new_database("sqlite"), "--rate", 0.01, "--trusted-proxy", "127.0.0.0/8", burst=5
    ) as service:
        assert sent(service) == {200}


def test_a_request_keeps_the_id_that_it_came_with(on_sqlite: Server) -> None:
    answer = on_sqlite.http.get("/v1/items", headers={"X-Request-ID": "trace-42.a_b"})
    assert answer.headers["X-Request-ID"] == "trace-42.a_b"
    first, second = (on_sqlite.http.get("/v1/items").headers["X-Request-ID"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("given", [b"a b", b"x" * 129, b"a\tb", b"\xff\xfe", b"a;b", b""])
def test_a_harmful_request_id_is_replaced(on_sqlite: Server, given: bytes) -> None:
    answer = on_sqlite.http.get("/v1/items", headers={b"X-Request-ID": given})
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"].encode("latin-1") != given
    assert answer.headers["X-Request-ID"].isalnum()


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_a_request_cannot_inject_lines_into_the_log(
    style: str, ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    with serving(ease_run, new_database("sqlite"), "--logs", style) as service:
        for bad in ("a%0Aforged%20line", "a%0D%0Aforged%20line", "%1B%5B2J", "%C2%9B2J"):
            service.http.get(f"/v1/users/{bad}/history")
            service.http.get(f"/{bad}")
            service.http.get("/v1/items", headers={"X-Request-ID": bad})
        # One line a request, and the first; the last may be written after it was answered.
        until(lambda: len(service.process.stderr.read_text().splitlines()) >= 1 + 12, 5)
        lines = service.process.stderr.read_text().splitlines()
        assert len(lines) == 1 + 12
        assert not any(line.startswith("forged") for line in lines)
        assert not any("\x1b[2J" in line or "\x9b2J" in line for line in lines)


def test_invalid_settings_are_refused_with_exit_code_2(ease_run: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, words in [
            ((ease_run, "--port", 70_000), "port is 70000"),
            ((ease_run, "--workers", 0), "workers is 0"),
            ((ease_run, "--database", "nonsense"), "a URL looks like"),
            ((tmp_path / "nowhere",), "there is no such folder"),
            ((ease_run, "--port", taken.getsockname()[1]), "cannot listen on"),
        ]:
            given = arguments
            if "--database" not in arguments:
                given = (*arguments, "--database", f"sqlite:///{tmp_path / 'events.db'}")
            ended = tastemaker("serve", *given)
            assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
            assert words in ended.stderr


def test_an_id_with_slashes_never_reaches_another_route(service: Server, unseen_user: int) -> None:
    service.client.record(wire.Event(user_id=unseen_user, item_id=3))
    id_with_slashes = f"{unseen_user}/history/3"
    assert service.client.forget(id_with_slashes).user_id == id_with_slashes
    service.client.record(wire.Event(user_id=f"{unseen_user}/history/4", item_id=5))
    service.client.retract(f"{unseen_user}/history/4", 5)
    assert service.client.recommend(f"{unseen_user}/recommendations").source == "trending"
    assert [item.item_id for item in service.client.history(unseen_user).items] == [3]
    for path in ("recommendations", "a/b", "a/history/3"):
        assert service.http.delete(f"/v1/users/{unseen_user}/{path}").status_code in (404, 405)
    assert [item.item_id for item in service.client.history(unseen_user).items] == [3]
