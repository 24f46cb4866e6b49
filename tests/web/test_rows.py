"""Rows, cards and words, without a service."""

import pytest
from starlette.requests import Request

from tastemaker import wire
from tastemaker.web.addresses import own_path
from tastemaker.web.artwork import HUES, MOTIFS, artwork_of
from tastemaker.web.cards import card_of, title_and_year
from tastemaker.web.rows import ROW_LENGTH, RowBuilder, favourites, grouped, varied
from tastemaker.web.schemas import kind_of
from tastemaker.web.site import _sources
from tastemaker.web.words import ago


def item(item_id: int, *because: int, categories: list[str] | None = None) -> wire.RecommendedItem:
    reasons = [wire.Reason(item_id=each, contribution=1.0) for each in because]
    return wire.RecommendedItem(
        item_id=item_id, rank=1, score=1.0, because=reasons, categories=categories
    )


@pytest.mark.parametrize(
    ("full", "title", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", "1999"),
        ("Beautiful Mind, A (2001)", "A Beautiful Mind", "2001"),
        ("Se7en", "Se7en", ""),
        ("(2004)", "(2004)", ""),
        ("Chair, blue (12)", "Chair, blue (12)", ""),
        ("2001: A Space Odyssey (1968) ", "2001: A Space Odyssey", "1968"),
    ],
)
def test_a_title_is_told_from_its_year(full: str, title: str, year: str):
    assert title_and_year(full) == (title, year)


def test_a_row_has_no_seen_or_repeated_items_and_is_left_out_if_short():
    shelf = RowBuilder([1, 2])
    assert shelf.add("a", "A", [item(i) for i in (1, 3, 3, 4, 5, 6)])
    assert not shelf.add("b", "B", [item(i) for i in (3, 4, 7, 8)])
    assert [card.item_id for card in shelf.rows[0].cards] == ["3", "4", "5", "6"]
    assert shelf.add("c", "C", [item(i) for i in range(100)])
    assert len(shelf.rows[1].cards) == ROW_LENGTH


def test_recommendations_are_grouped_by_their_strongest_reason_the_latest_first():
    listed = [item(i, 100, 200) for i in range(4)] + [item(i, 200) for i in range(4, 9)]
    groups = grouped([*listed, item(20, 300), item(21)], latest=[200, 300, 100])
    assert [group.reason.item_id for group in groups] == [200, 100]
    assert len(groups[0].items) == 5


def test_a_rare_category_becomes_a_favourite_sooner():
    touched = [["Drama"], ["Drama", "Western"], ["Western"], ["Drama"]]
    history = [
        wire.HistoryItem(item_id=i, categories=names, origin="event")
        for i, names in enumerate(touched)
    ]
    sizes = [
        wire.CategoryCount(name="Drama", n_items=400),
        wire.CategoryCount(name="Western", n_items=16),
    ]
    assert favourites(history, sizes) == ["Western", "Drama"]


def test_a_varied_choice_has_something_of_each_kind():
    popular = [item(i, categories=["Drama"]) for i in range(20)]
    other = [item(20, categories=["Horror"]), item(21, categories=["War"])]
    chosen = {each.item_id for each in varied([*popular, *other], 6)}
    assert {20, 21, 0} <= chosen


def test_one_title_has_one_poster_and_others_have_others():
    posters = [artwork_of(f"Title {i}") for i in range(200)]
    assert posters == [artwork_of(f"Title {i}") for i in range(200)]
    assert len(set(posters)) > 100
    assert all(0 <= p.hue < HUES and 0 <= p.motif < MOTIFS for p in posters)
    artwork_of("")  # nothing to draw an initial from


def test_a_card_without_a_title_shows_its_id():
    assert card_of(item(7)).name == "7"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/items/3?liked=4", "/items/3?liked=4"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_only_our_own_pages_are_returned_to(url: str, path: str):
    assert own_path(Request({"type": "http", "path": "/"}), url) == path


def test_behind_a_proxy_only_what_is_below_the_prefix_is_our_own():
    request = Request({"type": "http", "path": "/shop/", "root_path": "/shop"})
    assert own_path(request, "/shop/items/3") == "/items/3"
    for url in ("/items/3", "/shopping", "/shop", "/shop//evil.example"):
        assert own_path(request, url) == "/"


def test_a_picture_cannot_widen_the_policy():
    hostile = [
        "https://a.example/x",
        "https://b.example; script-src *",
        "javascript:x",
        "/own",
        None,
    ]
    assert _sources(hostile) == "'self' data: https://a.example"


def test_times_are_written_as_text():
    assert ago(1000, now=1000) == "just now"
    assert ago(1000, now=1001) == "1 second ago"
    assert ago(0, now=7200) == "2 hours ago"
    assert ago(0, now=90 * 86_400) == "1 Jan 1970"


def test_schemas_are_described_in_words():
    def words(schema: dict) -> str:
        return "".join(part.text for part in kind_of(schema))

    assert words({"type": "integer", "minimum": 1, "maximum": 500}) == "whole number, 1 to 500"
    assert words({"anyOf": [{"$ref": "#/x/Event"}, {"type": "null"}]}) == "Event or null"
    assert words({"oneOf": [{"$ref": "#/x/Events"}, {"$ref": "#/x/Event"}]}) == "Events or Event"
    assert words({"type": "array", "items": {"type": "string"}}) == "list of text"
    assert words({"enum": ["a", "b"]}) == '"a" or "b"'
