"""The desk, as those see it who run the service; and the numbers that it shows."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from scipy.stats import binomtest

import tastemaker as tm
from tastemaker.errors import ServiceError
from tastemaker.serving.desk.drift import interval
from tastemaker.serving.desk.item_map import plane
from tastemaker.serving.desk.stats import quantile
from tastemaker.web.charts import Series, lines, rounded_up
from tastemaker.web.quality import quality
from tastemaker.wire import Event

from ..serving.server import Server, tastemaker
from .conftest import Visit, world

BOARD = {
    "metric": "ndcg@10", "dataset": "tides", "split": "by hand", "protocol": "full", "n_users": 3,
    "models": [
        {"name": "ease", "rank": 1, "fit_s": 1.0, "metrics": {"ndcg@10": 0.5, "mrr@10": None},
         "intervals": {"ndcg@10": [0.4, 0.6]}},
        {"name": "popularity", "rank": 2, "fit_s": None, "metrics": {"ndcg@10": 0.1},
         "intervals": {"ndcg@10": [0.0, 0.2]}},
    ],
    "failed": [],
    "comparisons": [{"better": "ease", "worse": "popularity", "difference": 0.4,
                     "p_value": 0.001, "significant": True}],
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(page_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """EASE, after popularity has served, with a comparison beside it."""
    folder = tmp_path_factory.mktemp("desk")
    # A version on the run's shelf is of the same service.
    run, before = folder / "run", folder / "run.versions" / "0001"
    shutil.copytree(page_run, run)
    tm.save_run(before, tm.Popularity().fit(tm.no_holdout(world())))
    (folder / "run-comparison").mkdir()
    (folder / "run-comparison" / "leaderboard.json").write_text(json.dumps(BOARD))
    database = f"sqlite:///{folder / 'events.db'}"
    with Server(before, database, folder):
        pass
    with Server(run, database, folder) as server:
        yield server


def ask(server: Server, what: str, **query: object) -> dict:
    answer = server.http.get(f"/v1/admin/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# The numbers


def test_stats_show_the_served_model_and_the_requests(desk: Server):
    now = int(time.time())
    desk.client.record([Event(user_id="minute", item_id=i, timestamp=now) for i in (3, 4)])
    desk.client.recommend("minute")
    desk.client.recommend("an unseen user")
    stats = ask(desk, "stats")
    assert stats["deployment"]["model"] == "ease"
    assert (stats["n_users"], stats["n_items"]) == (80, 160)
    assert len(stats["events_per_minute"]) == 60
    assert sum(stats["events_per_minute"][-2:]) >= 2
    assert stats["lists"]["model"] >= 1
    assert stats["lists"]["trending"] >= 1
    routes = {line["route"]: line for line in stats["latencies"]}
    line = routes["/v1/users/{user_id}/recommendations"]
    assert 0 < line["p50_ms"] <= line["p95_ms"] <= line["p99_ms"]


def test_quantiles_come_from_cumulative_buckets():
    counts = {0.1: 50, 0.2: 90, 1.0: 100, float("inf"): 100}
    assert quantile(counts, 0.5) == pytest.approx(0.1)
    assert quantile(counts, 0.7) == pytest.approx(0.15)
    assert quantile(counts, 0.95) == pytest.approx(0.6)
    assert quantile({0.1: 0, float("inf"): 4}, 0.5) == pytest.approx(0.1), "beyond the last bound"


def test_the_map_has_every_item_at_the_same_place_each_time(desk: Server):
    found = ask(desk, "map", n=160)
    assert len({item["item_id"] for item in found["items"]}) == 160
    assert all(-1 <= item["x"] <= 1 and -1 <= item["y"] <= 1 for item in found["items"])
    counts = [item["n"] for item in found["items"]]
    assert counts == sorted(counts, reverse=True)
    assert found == ask(desk, "map", n=160)
    assert found["items"][:7] == [
        item | {"x": each["x"], "y": each["y"]}
        for item, each in zip(ask(desk, "map", n=7)["items"], found["items"], strict=False)
    ]


def test_the_plane_lays_apart_what_is_apart():
    generator = torch.Generator().manual_seed(2)
    vectors = 0.1 * torch.randn(40, 8, generator=generator)
    vectors[:20, 0] += 1
    vectors[20:, 1] += 1
    points, fraction = plane(vectors)
    assert (points[:20, 0] * points[20:, 0] < 0).all()
    assert fraction > 0.8


def test_the_plane_is_that_of_principal_components():
    vectors = torch.randn(60, 9, generator=torch.Generator().manual_seed(1))
    vectors[:, :2] *= 6
    points, fraction = plane(vectors)
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    spread = torch.linalg.svdvals(unit - unit.mean(0)).square()
    assert fraction == pytest.approx(float(spread[:2].sum() / spread.sum()), abs=1e-4)
    assert np.abs(points).max(axis=0) == pytest.approx([1, 1])
    assert np.array_equal(points, plane(vectors)[0])


def test_drift_counts_hits_in_the_list_before_the_event(page_run: Path, tmp_path: Path):
    with Server(page_run, f"sqlite:///{tmp_path / 'e.db'}", tmp_path) as server:
        empty = ask(server, "drift")
        assert (empty["n"], empty["overall"], empty["windows"]) == (0, None, [])
        for visitor in range(6):
            user = f"v{visitor}"
            known = [Event(user_id=user, item_id=i, timestamp=100) for i in range(1, 5)]
            server.client.record(known)
            listed = [place.item_id for place in server.client.recommend(user, k=10).items]
            chosen = listed[visitor] if visitor < 4 else 120 + visitor
            server.client.record(Event(user_id=user, item_id=chosen, timestamp=200 + visitor))
        # Each first event is of an unseen user, the three after it have a history of 1 to 3.
        drift = ask(server, "drift")
        last = [w for w in drift["windows"] if w["to_time"] >= 200]
        assert drift["n"] == 6 * 4
        assert drift["overall"]["n"] == 24
        hits = drift["overall"]["hit_rate"] * 24
        assert hits == pytest.approx(round(hits))
        assert last
        # A second look at the same item is no question, nor is what was taken out.
        server.client.record(Event(user_id="v0", item_id=1))
        server.client.retract("v0", 2)
        assert ask(server, "drift")["n"] == 24


def test_an_interval_of_a_fraction_is_valid_for_few_events_too():
    for hits, n in ((0, 10), (24, 200), (7, 7)):
        other = binomtest(hits, n).proportion_ci(method="wilson")
        assert interval(hits, n) == pytest.approx((other.low, other.high), abs=1e-4)


def test_the_list_of_the_previous_model_is_shown_for_comparison(desk: Server):
    now, before = ask(desk, "compare", user_id="2", k=5)["lists"]
    assert (now["deployment"]["model"], before["deployment"]["model"]) == ("ease", "popularity")
    assert now["deployment"]["current"]
    assert not before["deployment"]["current"]
    listed = [place["item_id"] for place in now["items"]]
    assert listed == [place.item_id for place in desk.client.recommend(2, k=5).items]
    assert len(before["items"]) == 5
    assert desk.http.get("/v1/admin/compare?user_id=2&deployment=99").status_code == 404


def test_a_model_replaced_in_its_folder_can_still_be_compared(
    tmp_path: Path,
):
    run = tmp_path / "run"
    tm.save_run(run, tm.Popularity().fit(tm.no_holdout(world())))
    with Server(run, f"sqlite:///{tmp_path / 'events.db'}", tmp_path) as server:
        tm.save_run(run, tm.EASE().fit(tm.no_holdout(world())))
        assert server.http.post("/v1/admin/reload").status_code == 200
        now, before = ask(server, "compare", user_id="2", k=5)["lists"]
        assert (now["deployment"]["model"], before["deployment"]["model"]) == ("ease", "popularity")


def test_the_leaderboard_of_the_run_is_shown_or_reported_missing(desk: Server, site: Server):
    board = ask(desk, "leaderboard")
    assert [model["worse"] for model in board["models"]] == [False, True]
    answer = site.http.get("/v1/admin/leaderboard")
    assert answer.status_code == 404
    assert "tastemaker compare" in answer.json()["detail"]


def test_users_of_each_history_length_are_offered_but_no_forgotten_ones(desk: Server):
    users = ask(desk, "users", limit=5)
    lengths = [user["n_items"] for user in users["users"]]
    assert lengths == sorted(lengths)
    assert users["n_users"] == 80
    forgotten = users["users"][0]["user_id"]
    desk.client.forget(forgotten)
    assert forgotten not in [user["user_id"] for user in ask(desk, "users", limit=5)["users"]]


def test_a_verdict_needs_the_whole_interval():
    figures = {
        "metrics": {"ndcg@10": 0.5, "hit_rate@10": 0.6, "recall@10": 0.6, "coverage@10": 0.2},
        "intervals": {"ndcg@10": [0.4, 0.6], "recall@10": [0.5, 0.7]},
        "baseline": {"popularity": {"ndcg@10": 0.3}, "random": {"ndcg@10": 0.45}},
        "before": {"ndcg@10": 0.7},
    }
    (line,) = quality(figures)
    assert line.verdict == (
        "above popularity, not clearly different from random, below the previous model"
    )
    assert quality(None) == []


def test_a_chart_has_round_ticks_and_stays_inside():
    drawn = lines([Series("a", "own", [0.1, 0.37], [0.0, 0.2], [0.2, 0.5])])
    assert [value for _, value in drawn.ticks] == [0, 0.25, 0.5]
    assert all(0 <= y <= 210 for _, y, _ in drawn.lines[0].dots)
    assert [rounded_up(v) for v in (0.0013, 0.9, 1, 7, 24, 260)] == [0.002, 1, 1, 10, 25, 500]
    lines([])  # nothing to draw is no error


# The pages


def test_the_overview_shows_the_served_model_and_its_evaluation(desk: Server, visit: Visit):
    page = visit("/desk", server=desk)
    expect(page.locator(".tiles")).to_contain_text("ease")
    expect(page.locator("table").first).to_contain_text("above popularity")
    expect(page.locator("tr.current")).to_contain_text("ease")


def test_a_model_is_rolled_back_and_forth_from_the_desk(desk: Server, visit: Visit):
    page = visit("/desk", server=desk)
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator(".note")).to_contain_text("The previous model serves again")
    expect(page.locator(".tiles")).to_contain_text("popularity")
    page.get_by_role("button", name="Reload the run").click()
    expect(page.locator(".tiles")).to_contain_text("ease")
    assert desk.client.ready().model == "ease"


def test_an_error_of_the_service_is_shown(site: Server, visit: Visit):
    page = visit("/desk")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator(".note.bad")).to_contain_text("no other model served before")


def test_two_models_stand_side_by_side(desk: Server, visit: Visit):
    page = visit("/desk/models", server=desk)
    expect(page.locator("table").first).to_contain_text("worse, p 0.001")
    page.get_by_label("User id").fill("4")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".beside h3")).to_have_text(["ease serving", "popularity"])
    expect(page.locator(".beside li")).to_have_count(20)


def test_the_map_is_searched_jumped_to_and_walked_by_keys(desk: Server, visit: Visit):
    page = visit("/desk/map", server=desk)
    expect(page.locator("#legend button").first).to_be_visible()
    before = page.evaluate("document.querySelector('#plane').toDataURL()")
    page.get_by_label("Find on the map").fill("hill 90")
    page.keyboard.press("Enter")
    expect(page.locator("#spot")).to_contain_text("The Hill 90")
    expect(page.locator("#spot a")).to_have_attribute("href", "/items/90")
    page.wait_for_timeout(600)
    jumped = page.evaluate("document.querySelector('#plane').toDataURL()")
    assert jumped != before
    page.locator("#plane").focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.querySelector('#plane').toDataURL()") != jumped
    page.locator("#legend button").first.click()
    expect(page.locator("#legend button").first).to_have_attribute("aria-pressed", "true")


def test_drift_is_drawn_once_there_are_events(desk: Server, visit: Visit):
    desk.client.record([Event(user_id="drifting", item_id=i, timestamp=i) for i in range(1, 30)])
    page = visit("/desk/drift", server=desk)
    expect(page.locator(".chart svg path.line.own")).to_have_count(3)
    page.locator("summary").click()
    assert page.locator("details tbody tr").count() >= 2


def test_an_admin_key_opens_the_desk_where_keys_are_needed(
    page_run: Path, tmp_path: Path, visit: Visit
):
    database = f"sqlite:///{tmp_path / 'events.db'}"

    def new_key(*scopes: str) -> str:
        given = [part for scope in scopes for part in ("--scope", scope)]
        made = tastemaker("keys", "add", "--database", database, *given)
        return re.search(r"\w+\.[\w-]{20,}", made.stdout)[0]

    admin, pages = new_key("admin"), new_key("read", "write")
    with Server(page_run, database, tmp_path, page_key=pages) as server:
        with pytest.raises(ServiceError):
            server.client.deployments()
        page = visit("/desk", server=server)
        expect(page.get_by_label("Admin key")).to_be_visible()
        page.get_by_label("Admin key").fill(pages)
        page.get_by_role("button", name="Open the desk").click()
        expect(page.locator(".desk")).to_contain_text("This key does not open the desk")
        page.get_by_label("Admin key").fill(admin)
        page.get_by_role("button", name="Open the desk").click()
        expect(page.locator(".tiles")).to_contain_text("ease")
        cookie = next(c for c in page.context.cookies() if c["name"] == "desk_key")
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"], cookie["expires"]) == (
            True, "Strict", "/desk", -1,
        )  # fmt: skip
        page.get_by_role("button", name="Lock the desk").click()
        expect(page.get_by_label("Admin key")).to_be_visible()


def test_a_form_of_another_site_is_refused_at_the_desk(desk: Server):
    for path in ("/desk/do", "/desk/key"):
        answer = httpx2.post(f"{desk.url}{path}", data={"action": "rollback", "key": "x"})
        assert answer.status_code == 403
