"""What can be seen of a service from outside: its numbers and its log."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tastemaker import wire
from tastemaker.errors import ServiceError

from .conftest import Databases, Serving
from .server import Server


@pytest.fixture(scope="module")
def observed(ease_run: Path, new_database: Databases, serving: Serving) -> Iterator[Server]:
    with serving(ease_run, new_database("sqlite"), "--logs", "json") as server:
        yield server


def numbers(service: Server) -> dict[str, float]:
    lines = service.http.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def risen(service: Server, before: dict[str, float], name: str) -> float:
    return numbers(service).get(name, 0) - before.get(name, 0)


def test_every_route_has_a_histogram_of_how_long_it_took(observed: Server) -> None:
    before = numbers(observed)
    for user in range(3):
        observed.client.recommend(user)
    observed.client.similar(3)
    route = '{method="GET",route="/v1/users/{user_id}/recommendations",status="200"}'
    assert risen(observed, before, "tastemaker_request_seconds_count" + route) == 3
    assert 0 < risen(observed, before, "tastemaker_request_seconds_sum" + route) < 10
    buckets = {
        float(re.search(r'le="([^"]+)"', name)[1]): value  # type: ignore[index]
        for name, value in numbers(observed).items()
        if name.startswith("tastemaker_request_seconds_bucket") and "recommendations" in name
    }
    assert {0.001, 0.01, 0.1, 1.0, float("inf")} <= buckets.keys()
    assert list(buckets.values()) == sorted(buckets.values())
    similar = route.replace("users/{user_id}/recommendations", "items/{item_id}/similar")
    assert risen(observed, before, "tastemaker_request_seconds_count" + similar) == 1


def test_unknown_paths_are_counted_as_one(observed: Server) -> None:
    for number in range(20):
        observed.http.get(f"/made/up/{number}")
        observed.http.get(f"/v1/users/made-up-{number}/nothing")
    observed.http.request("MKCOL", "/made/up")
    names = [
        name for name in numbers(observed) if any(made_up in name for made_up in ("made", "MKCOL"))
    ]
    assert names == []


def test_events_lists_and_problems_are_counted(observed: Server, unseen_user: int) -> None:
    before = numbers(observed)
    events = [
        wire.Event(user_id=unseen_user, item_id=i, event_id=f"{unseen_user}-{i}") for i in range(4)
    ]
    observed.client.record(events[:3])
    observed.client.record(events)
    observed.client.recommend("an unseen user")
    observed.client.recommend(unseen_user)
    with pytest.raises(ServiceError):
        observed.client.item(4711)
    for name, by in {
        'tastemaker_events_total{outcome="accepted"}': 4,
        'tastemaker_events_total{outcome="duplicate"}': 3,
        'tastemaker_lists_total{source="trending"}': 1,
        'tastemaker_lists_total{source="model"}': 1,
        'tastemaker_problems_total{status="404"}': 1,
    }.items():
        assert (name, risen(observed, before, name)) == (name, by)
    assert numbers(observed)["tastemaker_degraded"] == 0
    assert numbers(observed)["tastemaker_requests_inside"] >= 0


def test_a_swap_is_counted_and_every_response_names_its_model(observed: Server) -> None:
    before = numbers(observed)
    version = observed.client.reload().version
    assert risen(observed, before, 'tastemaker_swaps_total{reason="reload"}') == 1
    assert observed.client.recommend(3).version == version
    assert observed.client.similar(3).version == version
    assert observed.client.ready().version == version
    assert observed.client.recommend_for([3]).version == version


def test_every_line_of_the_log_is_json_and_names_the_request(
    observed: Server, unseen_user: int
) -> None:
    path = f"/v1/users/{unseen_user}/recommendations"
    observed.http.get(path, headers={"X-Request-ID": f"trace-{unseen_user}"})
    observed.http.get("/v1/items?limit=0")
    observed.http.get("/healthz")
    (line,) = [each for each in observed.log() if each.get("request_id") == f"trace-{unseen_user}"]
    assert (line["method"], line["path"], line["status"]) == ("GET", path, 200)
    assert line["level"] == "info"
    assert line["ms"] > 0
    assert line["timestamp"].endswith("Z")
    assert not any(each.get("path") == "/healthz" for each in observed.log())


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_monitor_may_ask_for_the_headers_alone(observed: Server, path: str) -> None:
    answer = observed.http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
