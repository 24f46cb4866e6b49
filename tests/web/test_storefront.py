"""What a visitor does, in a real browser in front of a real service."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import tastemaker as tm
from tastemaker import wire
from tastemaker.testing.worlds import two_tastes

from ..serving.server import Server
from .conftest import EVIL, Visit, free_port, titles


def begin(page: Page, kind: str, n: int = 5) -> None:
    """Picks so many of a kind on the welcome page, and goes on."""
    page.wait_for_url("**/welcome")
    for place in range(n):
        page.locator(".pick", has_text=kind).nth(place).click()
    page.get_by_role("button", name="Show my page").click()
    page.wait_for_url(lambda url: url.endswith("/"))


def visitor(page: Page) -> str:
    return next(c["value"] for c in page.context.cookies() if c["name"] == "visitor")


def count_motions(page: Page) -> None:
    page.evaluate("""() => {
        window.moved = 0;
        const plain = Element.prototype.animate;
        Element.prototype.animate = function (...given) {
            window.moved += 1;
            return plain.apply(this, given);
        };
    }""")


def test_a_new_visitor_picks_five_items_and_gets_a_matching_first_page(visit: Visit):
    page = visit("/")
    page.wait_for_url("**/welcome")
    page.locator(".pick", has_text="Hill").first.click()
    expect(page.locator("#count")).to_have_text("1 picked, 4 to go.")
    page.locator(".pick", has_text="Hill").first.click()

    begin(page, "Hill")

    assert titles(page, "top")
    assert all("Hill" in title for title in titles(page, "top"))
    expect(page.locator(".intro")).to_contain_text("5 titles")
    assert page.locator("h2", has_text="Because you liked The Hill").count() >= 2


def test_no_item_is_repeated_and_no_seen_item_is_shown(visit: Visit, site: Server):
    page = visit("/", user=2)
    shown = [card.get_attribute("data-item") for card in page.locator(".card").all()]
    known = {str(item.item_id) for item in site.client.history(2).items}
    assert len(shown) == len(set(shown)) >= 40
    assert not known & set(shown)


def test_a_click_changes_the_rows_at_once_and_undo_restores_them(visit: Visit, site: Server):
    page = visit("/")
    begin(page, "Tide")
    before = titles(page, "top")
    page.evaluate("window.same = true")

    page.locator("#top .heart").nth(2).click()
    expect(page.locator(".toast")).to_contain_text(before[2])

    after = titles(page, "top")
    assert before[2] not in page.locator("#live .card h3").all_inner_texts()
    assert after != before
    assert page.locator("#said").inner_text().endswith("was added to your history.")
    user = visitor(page)
    assert len(site.client.history(user).items) == 6

    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("removed from your history")
    assert titles(page, "top") == before
    assert len(site.client.history(user).items) == 5
    assert page.evaluate("window.same"), "the page was not reloaded"


def test_without_a_script_everything_works_by_whole_pages(visit: Visit, site: Server):
    page = visit("/", java_script_enabled=False)
    page.get_by_label("Search for a title to pick").fill("hill 99")
    page.locator(".pick", has_text="Tide").first.click()
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".pick", has_text="Hill 99").click()
    page.get_by_role("button", name="Show my page").click()
    page.wait_for_url(lambda url: url.endswith("/"))
    user = visitor(page)
    kept = sorted(item.title[:4] for item in site.client.history(user).items)
    assert kept == ["Hill", "Tide"]

    name = titles(page, "top")[0]
    page.locator("#top .heart").first.click()
    expect(page.locator(".toast")).to_contain_text(name)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("removed from your history")
    assert name in page.locator("#live .card h3").all_inner_texts()


def test_the_keyboard_alone_is_enough(visit: Visit):
    page = visit("/")
    page.wait_for_url("**/welcome")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator(".pick input").first.focus()
    for _ in range(5):
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
    expect(page.locator("#count")).to_contain_text("5 picked")
    page.get_by_role("button", name="Show my page").press("Enter")
    page.wait_for_url(lambda url: url.endswith("/"))

    page.locator("#top .heart").first.focus()
    page.keyboard.press("ArrowRight")
    liked = page.evaluate("document.activeElement.value")
    assert liked == page.locator("#top .heart").nth(1).get_attribute("value")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_be_visible()
    focused = page.evaluate("[document.activeElement.className, document.activeElement.value]")
    assert focused == ["heart", page.locator("#top .heart").nth(1).get_attribute("value")]
    page.keyboard.press("Control+z")
    expect(page.locator(".toast")).to_contain_text("removed from your history")
    assert page.evaluate("document.activeElement.value") == liked


def test_hover_and_focus_show_the_reason(visit: Visit):
    page = visit("/", user=2)
    card = page.locator("#top .card").first
    why = card.locator(".why")
    expect(why).to_have_css("opacity", "0")
    card.hover()
    expect(why).to_have_css("opacity", "1")
    assert why.inner_text().startswith("Because you liked ")
    page.mouse.move(5, 5)
    expect(why).to_have_css("opacity", "0")
    page.keyboard.press("Tab")
    card.locator(".heart").focus()
    expect(why).to_have_css("opacity", "1")


def test_search_follows_the_input_and_restores_the_rows(visit: Visit):
    page = visit("/", user=2)
    rows = titles(page, "top")
    page.keyboard.press("/")
    page.keyboard.type("hill 12")
    expect(page.locator("h1")).to_have_text("“hill 12”")
    assert page.locator(".card h2").first.inner_text().startswith("The Hill 12")
    assert page.url.endswith("/search?q=hill%2012")
    page.locator("#q").fill("")
    expect(page.locator("h1")).to_have_text("For you")
    assert titles(page, "top") == rows


def test_an_item_has_a_page_with_similar_items(visit: Visit):
    page = visit("/", user=2)
    page.locator("#top .poster").first.click()
    page.wait_for_url("**/items/*")
    expect(page.locator("h1")).to_contain_text("The Tide")
    expect(page.locator(".facts")).to_contain_text("You liked The Tide")
    assert page.locator(".grid .card").count() >= 10
    page.get_by_role("button", name="I like this").click()
    expect(page.locator(".facts")).to_contain_text("in your history")
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("button", name="I like this")).to_be_visible()


def test_history_can_be_removed_item_by_item_and_as_a_whole(visit: Visit, site: Server):
    page = visit("/")
    begin(page, "Tide")
    user = visitor(page)
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.locator(".lines li")).to_have_count(5)
    page.get_by_role("button", name="Remove The Tide").first.click()
    expect(page.locator(".lines li")).to_have_count(4)
    page.locator("summary", has_text="Forget me").click()
    page.get_by_role("button", name="Forget me now").click()
    expect(page.locator(".done")).to_contain_text("You have been forgotten")
    assert site.client.history(user).items == []
    assert "visitor" not in {c["name"] for c in page.context.cookies()}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/welcome",
        "/items/3",
        "/search?q=tide",
        "/history",
        "/docs",
        "/desk",
        "/desk/models?user=2",
        "/desk/map",
        "/desk/drift",
    ],
)
def test_no_page_is_wider_than_a_phone(visit: Visit, path: str):
    page = visit(path, user=2, width=390, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_title_that_is_markup_is_shown_as_text(visit: Visit):
    page = visit("/search?q=script", user=3)
    expect(page.locator(".card h2")).to_have_text(EVIL)
    page.goto("/items/0")
    expect(page.locator("h1")).to_have_text(EVIL)
    assert page.title() == f"{EVIL} · Tastemaker"
    page.get_by_role("button", name="I like this").click()
    expect(page.locator(".toast strong")).to_have_text(EVIL)
    page.goto("/history")
    expect(page.locator(".lines li").first).to_contain_text(EVIL)
    assert page.locator("main b, main script").count() == 0


def test_animations_are_left_out_with_reduced_motion(visit: Visit):
    page = visit("/", user=4, reduced_motion="reduce")
    count_motions(page)
    page.locator("#top .heart").first.click()
    expect(page.locator(".toast")).to_be_visible()
    assert page.evaluate("window.moved") == 0


def test_rows_glide_to_their_places(visit: Visit):
    page = visit("/", user=6)
    count_motions(page)
    page.locator("#top .heart").first.click()
    expect(page.locator(".toast")).to_be_visible()
    assert page.evaluate("window.moved") > 0


def test_a_restart_in_the_middle_loses_no_click(visit: Visit, page_run: Path, tmp_path: Path):
    port = free_port()
    database = f"sqlite:///{tmp_path / 'events.db'}"
    with Server(page_run, database, tmp_path, "--port", port) as server:
        page = visit("/", server=server)
        begin(page, "Hill")
        user = visitor(page)
        server.stop()
        page.locator("#top .heart").first.click()
        expect(page.locator(".toast.bad")).to_contain_text("trying again")
        server.start()
        expect(page.locator(".toast")).to_contain_text("was added to your history")
        assert len(server.client.history(user).items) == 6


def test_a_picture_that_was_in_the_data_is_used(visit: Visit):
    page = visit("/items/9", user=2)
    picture = page.locator(".item img")
    assert picture.get_attribute("src") == "/static/icon.svg"
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_only_pictures_of_the_catalog_may_be_loaded(visit: Visit, site: Server):
    site.client.patch_item(7, image_url="https://pictures.example/7.png")
    try:
        page = visit("/search?q=tide 7,", user=2)
        assert page.locator("img").first.get_attribute("src") == "https://pictures.example/7.png"
        policy = site.http.get("/search", params={"q": "tide 7,"}).headers[
            "content-security-policy"
        ]
        assert "img-src 'self' data: https://pictures.example;" in policy
        assert "unsafe" not in policy
    finally:
        site.client.patch_item(7, image_url=None)


@pytest.mark.parametrize("n_touched", [400, 1100])
def test_no_item_of_a_long_history_is_on_the_page(long_site: Server, n_touched: int) -> None:
    user, touched = f"reader{n_touched}", range(n_touched)
    for start in range(0, n_touched, 500):
        events = [
            wire.Event(user_id=user, item_id=item, timestamp=1_000_000 - item)
            for item in touched[start : start + 500]
        ]
        long_site.client.record(events)
    page = long_site.http.get("/", headers={"Cookie": f"visitor={user}"}).text
    shown = set(re.findall(r'data-item="(\d+)"', page))
    assert len(shown) >= 20
    assert not shown & set(map(str, touched))
    assert "Something different" in page


@pytest.fixture(scope="module")
def long_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with so many items that a history can be long."""
    folder = tmp_path_factory.mktemp("long")
    data = two_tastes(n_users=60, n_items=1400, length=60)
    tm.save_run(folder / "run", tm.EASE(regularization=1.0).fit(tm.no_holdout(data)))
    with Server(folder / "run", f"sqlite:///{folder / 'events.db'}", folder) as server:
        yield server
