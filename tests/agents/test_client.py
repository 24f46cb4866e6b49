"""The client asks a service over real HTTP, and says in the service's words what went wrong."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tastemaker import wire
from tastemaker.client import Client
from tastemaker.errors import ConfigError, ServiceError, UnknownIdError

from .conftest import Service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, key="secret") as client:
        yield client


def items_of(answer: wire.RecommendationList | wire.SimilarItems | wire.Trending) -> list:
    return [item.item_id for item in answer.items]


def test_a_request_for_a_list_has_only_the_parameters_that_were_set(
    client: Client, service: Service
) -> None:
    answer = client.recommend(42, k=1, exclude=[1200, 7], categories=["Film"], explain=True)
    assert items_of(answer) == [2571]
    assert [reason.title for reason in answer.items[0].because] == [
        "Pulp Fiction (1994)", "Alien (1979)"
    ]  # fmt: skip
    (request,) = service.requests
    assert request["what"] == "GET /v1/users/42/recommendations"
    assert set(request["query"].split("&")) == {
        "k=1", "exclude=1200", "exclude=7", "categories=Film", "explain=true"
    }  # fmt: skip
    assert request["key"] == "Bearer secret"


def test_without_a_key_none_is_sent(service: Service) -> None:
    with Client(service.url) as client:
        client.health()
    assert service.requests[0]["key"] is None


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        ("a/b ü", "/v1/users/a%2Fb%20%C3%BC/history"),
        ("..", "/v1/users/%2E%2E/history"),
        ("50%?#", "/v1/users/50%25%3F%23/history"),
        (-7, "/v1/users/-7/history"),
    ],
)
def test_any_id_is_encoded_as_one_segment_of_the_path(
    client: Client, service: Service, user_id: wire.Id, path: str
) -> None:
    answer = client.history(user_id)
    assert str(answer.user_id) == str(user_id)
    assert service.requests[0]["what"] == f"GET {path}"


@pytest.mark.parametrize("user_id", ["", None, 1.5, True, "x" * 257, "\ud800", "line\n"])
def test_an_invalid_id_is_refused_before_a_request_is_sent(
    client: Client, service: Service, user_id: Any
) -> None:
    with pytest.raises(UnknownIdError, match="is not a valid id"):
        client.forget(user_id)
    assert service.requests == []


def test_a_path_in_the_url_is_kept(service: Service) -> None:
    with Client(service.url + "/shop/") as client:
        with pytest.raises(ServiceError):
            client.health()
    assert service.requests[0]["what"] == "GET /shop/healthz"


def test_lists_for_histories_and_for_several_users_come_by_one_route(
    client: Client, service: Service
) -> None:
    assert items_of(client.recommend_for([296, 1200], k=2)) == [1214, 2571]
    users = [wire.AskedUser(user_id=42), wire.AskedUser(history=[296])]
    first, second = client.recommend_many(users, k=3, exclude_seen=False)
    assert (first.user_id, first.source, second.user_id, second.source) == (
        42, "trending", None, "model"
    )  # fmt: skip
    assert json.loads(service.requests[0]["body"]) == {"history": [296, 1200], "k": 2}
    assert json.loads(service.requests[1]["body"]) == {
        "users": [{"user_id": 42}, {"history": [296]}], "k": 3, "exclude_seen": False
    }  # fmt: skip


def test_one_event_and_several_are_recorded(client: Client, service: Service) -> None:
    one = wire.Event(user_id=42, item_id=296, timestamp="2026-01-01")
    assert client.record(one).accepted == 1
    kept = client.record([one, wire.Event(user_id=42, item_id=9, type="view")])
    assert (kept.accepted, kept.unknown_items) == (2, [9])
    assert json.loads(service.requests[0]["body"]) == {
        "events": [{"user_id": 42, "item_id": 296, "timestamp": 1_767_225_600}]
    }


def test_the_catalog_is_searched_read_and_changed(client: Client, service: Service) -> None:
    found = client.items("alien", limit=1, categories=["Film"])
    assert ([item.item_id for item in found.items], found.next_cursor) == ([1200], "more")
    assert service.requests[0]["query"] == "q=alien&limit=1&categories=Film"
    assert client.item(296).title == "Pulp Fiction (1994)"
    assert client.put_item(296, wire.ItemBody(title="Pulp", available=False)).title == "Pulp"
    assert client.patch_item(296, image_url=None, hidden=True).hidden
    assert json.loads(service.requests[-1]["body"]) == {"image_url": None, "hidden": True}
    assert client.delete_item(296) is None
    assert client.categories() == [wire.CategoryCount(name="Film", n_items=4)]


def test_similar_and_trending_items_and_histories_are_read(client: Client) -> None:
    assert items_of(client.similar(296, k=2)) == [1200, 1214]
    assert items_of(client.trending(k=1)) == [296]
    assert [item.item_id for item in client.history(42, limit=1).items] == [1214]
    assert client.retract(42, 296) is None
    assert client.forget(42) == wire.Forgotten(user_id=42, events=3)


def test_the_health_and_the_deployments_of_the_service_are_read(
    client: Client, service: Service
) -> None:
    assert client.health() == wire.Health()
    assert client.ready().status == "ready"
    assert [each.deployment for each in client.deployments().deployments] == [2]
    assert client.reload().current
    assert client.rollback().reason == "reload"
    assert client.learn().status == "started"
    assert [request["what"] for request in service.requests[-3:]] == [
        f"POST /v1/admin/{what}" for what in ("reload", "rollback", "learn")
    ]


def test_an_error_has_the_message_and_the_retry_time_of_the_service(client: Client) -> None:
    with pytest.raises(ServiceError, match='no item has the id "7"') as unknown:
        client.item(7)
    assert (unknown.value.status, unknown.value.retry_after_s) == (404, None)
    with pytest.raises(ServiceError, match="too many requests") as busy:
        client.item("busy")
    assert (busy.value.status, busy.value.retry_after_s) == (429, 7.0)


def test_responses_that_are_not_the_services_are_recognised(client: Client) -> None:
    with pytest.raises(ServiceError, match="items/proxy responded with 502 Bad Gateway"):
        client.item("proxy")
    with pytest.raises(ServiceError, match='redirect to "https://elsewhere.example/"'):
        client.item("moved")
    with pytest.raises(ServiceError, match="is not of the type Item; check that the URL"):
        client.item("nonsense")


def test_an_unreachable_or_slow_service_is_named_in_the_error(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(nowhere) as client:
        with pytest.raises(ServiceError, match=f"{nowhere} could not be reached") as away:
            client.ready()
    assert away.value.status is None
    with Client(service.url, timeout_s=0.1) as client:
        with pytest.raises(ServiceError, match=r"did not respond within 0\.1 s"):
            client.item("slow")


def test_reload_and_rollback_wait_for_a_limited_time() -> None:
    # A connection is accepted by the system, and nothing ever responds.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Client(f"http://127.0.0.1:{silent.getsockname()[1]}") as client:
            for deploy in (client.reload, client.rollback):
                with pytest.raises(ServiceError, match=r"did not respond within 0\.1 s"):
                    deploy(timeout_s=0.1)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://shop", "http://", "", "http://[::"])
def test_an_invalid_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="is not the URL of a service"):
        Client(url)


@pytest.mark.parametrize("key", ["naïve", "two words", "line\n"])
def test_a_key_that_is_no_valid_header_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="a header cannot carry") as refused:
        Client("http://127.0.0.1:8000", key=key)
    assert key not in str(refused.value)


def test_arguments_are_checked_before_anything_is_sent(client: Client, service: Service) -> None:
    with pytest.raises(
        ConfigError, match='unknown argument "categorys"; did you mean "categories"'
    ):
        client.recommend(42, categorys=["Film"])
    with pytest.raises(ConfigError, match="k: input should be greater than or equal to 1"):
        client.recommend_for([296], k=0)
    with pytest.raises(ConfigError, match="events: list should have at least 1 item"):
        client.record([])
    assert service.requests == []
