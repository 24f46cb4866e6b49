"""Real MCP clients ask the tools, over both transports, and the tools ask a service over HTTP."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters

import tastemaker as tm
from tastemaker.agents import make_server
from tastemaker.cli.main import main
from tastemaker.testing.worlds import two_tastes

from ..serving.server import Server, tastemaker
from .conftest import Service

READING = {
    "search_items", "list_categories", "recommend_for_user", "recommend_from_titles",
    "similar_items", "explain",
}  # fmt: skip
COMMAND = [sys.executable, "-m", "tastemaker.cli.main", "mcp", "--service"]


def run(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with ThreadPoolExecutor(1) as pool:  # a browser of other tests may have a loop in this thread
        return pool.submit(lambda: asyncio.run(ask())).result()


class Agent:
    """Asks an MCP server synchronously; each question is a connection of its own."""

    def __init__(self, connect: Callable[[], Any], mode: str = "auto") -> None:
        self._connect = lambda: Client(connect(), mode=mode)

    def tools(self) -> dict[str, Any]:
        async def ask() -> Any:
            async with self._connect() as client:
                return await client.list_tools()

        return {tool.name: tool for tool in run(ask).tools}

    def call(self, tool: str, **arguments: Any) -> Any:
        async def ask() -> Any:
            async with self._connect() as client:
                return await client.call_tool(tool, arguments)

        return run(ask)

    def answer(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self.call(tool, **arguments)
        assert not result.is_error, result.content
        assert json.loads(result.content[0].text) == result.structured_content
        return result.structured_content

    def error(self, tool: str, **arguments: Any) -> str:
        result = self.call(tool, **arguments)
        assert result.is_error
        assert "Traceback" not in result.content[0].text
        return result.content[0].text


@pytest.fixture
def agent(service: Service) -> Agent:
    return Agent(lambda: make_server(service.url, read_key="reading", write_key="writing"))


def ids(answer: dict[str, Any]) -> list[Any]:
    return [item["item_id"] for item in answer["items"]]


def test_an_agent_finds_items_by_title_page_by_page(agent: Agent) -> None:
    answer = agent.answer("search_items", query="alien", limit=1, categories=["Film"])
    assert (ids(answer), answer["next_cursor"]) == ([1200], "more")
    assert ids(agent.answer("search_items", query="")) == [296, 1200, 1214, 2571]


def test_an_agent_learns_the_categories(agent: Agent) -> None:
    assert agent.answer("list_categories") == {"categories": [{"name": "Film", "n_items": 4}]}


@pytest.mark.parametrize("user_id", ["42", 42])
def test_an_agent_recommends_to_a_user_with_reasons(agent: Agent, user_id: Any) -> None:
    answer = agent.answer("recommend_for_user", user_id=user_id, k=1, explain=True)
    assert (answer["user_id"], ids(answer)) == (42, [1200])
    assert [reason["item_id"] for reason in answer["items"][0]["because"]] == [296, 1214]
    explained = agent.answer("explain", user_id=user_id)
    assert explained["items"][0]["because"] == answer["items"][0]["because"]


def test_an_agent_recommends_from_titles_and_reports_the_matched_items(agent: Agent) -> None:
    answer = agent.answer(
        "recommend_from_titles", titles=["the matrix", "ALIEN", "Pulp Fiction (1994)", "Gandhi"]
    )
    assert [(one["asked"], one["item_id"]) for one in answer["taken"]] == [
        ("the matrix", 2571), ("ALIEN", 1214), ("Pulp Fiction (1994)", 296)
    ]  # fmt: skip
    assert answer["not_found"] == ["Gandhi"]
    assert ids(answer["recommendations"]) == [1200]


def test_titles_that_are_all_unknown_are_an_error(agent: Agent) -> None:
    assert "no title is in the catalog" in agent.error("recommend_from_titles", titles=["Gandhi"])


def test_a_title_named_twice_counts_once(agent: Agent, service: Service) -> None:
    agent.answer("recommend_from_titles", titles=["Alien", "alien", "Alien"])
    assert json.loads(service.requests[-1]["body"])["history"] == [1214]


def test_an_agent_finds_similar_items_by_id_or_by_title(agent: Agent) -> None:
    for item in ({"item_id": "1214"}, {"item_id": 1214}, {"title": "alien"}):
        answer = agent.answer("similar_items", **item, k=2)
        assert (answer["item_id"], ids(answer)) == (1214, [296, 1200])
    assert 'no item matches the title "Gandhi"' in agent.error("similar_items", title="Gandhi")
    assert "item_id or title" in agent.error("similar_items")


def test_an_event_is_recorded_with_ids_as_the_service_has_them(
    agent: Agent, service: Service
) -> None:
    answer = agent.answer("record_event", user_id="42", item_id="296", type="view")
    assert (answer["accepted"], answer["unknown_items"]) == (1, [])
    request = service.requests[-1]
    assert json.loads(request["body"]) == {
        "events": [{"user_id": 42, "item_id": 296, "type": "view"}]
    }
    assert request["key"] == "Bearer writing"
    assert {each["key"] for each in service.requests[:-1]} == {"Bearer reading"}


def test_an_event_of_an_unknown_item_is_refused(agent: Agent, service: Service) -> None:
    assert 'no item has the id "7"' in agent.error("record_event", user_id="42", item_id="7")
    assert not any("events" in request["what"] for request in service.requests)


def test_without_a_write_key_nothing_can_be_changed(service: Service) -> None:
    tools = Agent(lambda: make_server(service.url, read_key="reading")).tools()
    assert tools.keys() == READING
    assert all(tool.annotations.read_only_hint for tool in tools.values())


def test_every_tool_documents_its_purpose_input_and_output(agent: Agent) -> None:
    tools = agent.tools()
    assert tools.keys() == READING | {"record_event"}
    assert not tools["record_event"].annotations.read_only_hint
    for tool in tools.values():
        assert tool.description[0].isupper()
        assert "\n " not in tool.description
        assert tool.output_schema["type"] == "object"
    assert tools["similar_items"].input_schema["properties"]["k"]["maximum"] == 100


def test_the_agent_receives_the_error_message_of_the_service(agent: Agent) -> None:
    error = agent.error("recommend_from_titles", titles=["alien"], k=0)
    assert "greater than or equal to 1" in error
    error = agent.error("search_items", query="alien", categories=["Flim"])
    assert 'no item has the category "Flim"; known: Film' in error
    for arguments in ({"query": "\ud800"}, {"query": "alien", "categories": ["\n"]}):
        assert "contains the control character" in agent.error("search_items", **arguments)
    assert "too many requests (try again in 7 s)" in agent.error(
        "record_event", user_id="42", item_id="busy"
    )


def test_an_unreachable_service_is_a_tool_error() -> None:
    error = Agent(lambda: make_server("http://127.0.0.1:9")).error("list_categories")
    assert "http://127.0.0.1:9 could not be reached" in error


PROTOCOLS = pytest.mark.parametrize("mode", ["auto", "legacy"])
"""The newest one, and the one before it, which most agents speak."""


@PROTOCOLS
def test_an_agent_starts_the_server_and_calls_it_over_stdio(service: Service, mode: str) -> None:
    agent = Agent(
        lambda: StdioServerParameters(
            command=COMMAND[0],
            args=[*COMMAND[1:], service.url],
            env={"TASTEMAKER_KEY": "reading", "TASTEMAKER_WRITE_KEY": "writing"},
        ),
        mode,
    )
    assert agent.answer("record_event", user_id="42", item_id="296")["accepted"] == 1
    assert [request["key"] for request in service.requests[-2:]] == [
        "Bearer reading",
        "Bearer writing",
    ]


@pytest.fixture
def over_http(service: Service) -> Iterator[str]:
    command = [*COMMAND, service.url, "--transport", "http", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            yield re.search(r"http://127\.0\.0\.1:\d+/mcp", line)[0]
        finally:
            process.send_signal(signal.SIGTERM)
            assert "Traceback" not in process.stderr.read()


@PROTOCOLS
def test_an_agent_calls_the_server_over_http(over_http: str, mode: str) -> None:
    agent = Agent(lambda: over_http, mode)
    assert agent.tools().keys() == READING
    assert ids(agent.answer("similar_items", title="Alien", k=1)) == [296]
    assert "no item has the id" in agent.error("similar_items", item_id="7")


def test_a_page_of_another_site_cannot_call_the_server(over_http: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        answer = httpx2.post(over_http, json=body, headers=headers)
        assert answer.status_code in (403, 421)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--transport http --host 0.0.0.0", "add --allow-remote"),
        ("--transport http --host nowhere.invalid --allow-remote", "cannot listen on"),
        ("--service shop", '"shop" is not the URL of a service'),
        ("--key naïve", "a header cannot carry"),
        ("--transport carrier-pigeon", "'stdio', 'http'"),
    ],
)
def test_invalid_options_are_refused_in_one_line(
    typed: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tastemaker", "mcp", "--service", "http://127.0.0.1:9", *typed.split()]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_port_in_use_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = service.url.rpartition(":")[2]
    command = ["tastemaker", "mcp", "--service", service.url, "--transport", "http", "--port", port]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        main()
    assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err


def test_without_the_mcp_package_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "tastemaker.agents", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.setattr(sys, "argv", ["tastemaker", "mcp", "--service", "http://127.0.0.1:9"])
    with pytest.raises(SystemExit):
        main()
    assert 'pip install "tastemaker[agents]"' in capsys.readouterr().err


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service itself, on the world of two tastes."""
    folder = tmp_path_factory.mktemp("real")
    tm.save_run(folder / "run", tm.EASE(regularization=1.0).fit(tm.no_holdout(two_tastes())))
    with Server(folder / "run", f"sqlite:///{folder / 'events.db'}", folder) as server:
        yield server


def test_an_event_recorded_by_an_agent_changes_the_next_list_of_the_real_service(
    real: Server,
) -> None:
    agent = Agent(lambda: make_server(real.url, write_key="any"))
    names = {one["name"] for one in agent.answer("list_categories")["categories"]}
    assert names == {"low", "high"}
    assert agent.answer("recommend_for_user", user_id=7_001)["source"] == "trending"
    for title in ("Item 21", "Item 25", "Item 33"):
        (item,) = agent.answer("search_items", query=title)["items"]
        agent.answer("record_event", user_id="7001", item_id=item["item_id"], type="view")
    after = agent.answer("recommend_for_user", user_id="7001", k=5)
    assert (after["user_id"], after["source"]) == (7_001, "model")
    assert all(item["categories"] == ["high"] for item in after["items"])
    reasons = agent.answer("explain", user_id=7_001, k=1)["items"][0]["because"]
    assert {reason["item_id"] for reason in reasons} <= {21, 25, 33}
    agent.answer("record_event", user_id="7001", item_id="21", type="retract")
    assert [item.item_id for item in real.client.history(7_001).items] == [33, 25]


def test_the_real_service_answers_titles_similar_items_and_errors(real: Server) -> None:
    agent = Agent(lambda: make_server(real.url))
    answer = agent.answer("recommend_from_titles", titles=["item 3", "Gandhi"], k=3, explain=True)
    assert ([one["item_id"] for one in answer["taken"]], answer["not_found"]) == ([3], ["Gandhi"])
    assert ids(agent.answer("similar_items", title="Item 3")) == ids(
        agent.answer("similar_items", item_id=3)
    )
    assert 'did you mean "high"' in agent.error(
        "recommend_for_user", user_id="3", categories=["hihg"]
    )
    assert "item 777 is not in the catalog" in agent.error("similar_items", item_id="777")


def test_a_read_key_cannot_record_events(real: Server) -> None:
    made = tastemaker("keys", "add", "--database", real.database, "--scope", "read", "--json")
    key = json.loads(made.stdout)["key"]
    try:
        agent = Agent(lambda: make_server(real.url, write_key=key))
        assert ids(agent.answer("search_items", query="Item 3"))
        error = agent.error("record_event", user_id="3", item_id="3")
        assert "needs a key with the scope write; this key has read" in error
        keyless = Agent(lambda: make_server(real.url))
        assert "needs a valid key" in keyless.error("list_categories")
    finally:
        tastemaker("keys", "revoke", key.partition(".")[0], "--database", real.database)
