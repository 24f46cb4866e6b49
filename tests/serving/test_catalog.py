"""The catalog changes while the service runs, and lists follow."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx2
import polars as pl
import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.errors import ServiceError
from tastemaker.testing.worlds import two_tastes

from .conftest import Databases, Serving
from .server import Server, until

_NEW_ITEMS = count(5_000)


@pytest.fixture
def new_item() -> int:
    """The id of an item that no training and no other test knows."""
    return next(_NEW_ITEMS)


@pytest.fixture(scope="module")
def two_tower(two_tower_run: Path, new_database: Databases, serving: Serving) -> Iterator[Server]:
    with serving(two_tower_run, new_database("sqlite")) as server:
        yield server


def items_of(answer: wire.RecommendationList | wire.Trending | wire.Items) -> list[wire.Id]:
    return [item.item_id for item in answer.items]


def everything(service: Server, **query: object) -> list[wire.Id]:
    """All pages of a search."""
    found, cursor = [], None
    while True:
        page = service.client.items(cursor=cursor, **query)
        found += items_of(page)
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_a_new_item_is_found_by_words_of_its_title_at_once(service: Server, new_item: int) -> None:
    body = wire.ItemBody(title=f"The Quiet Harbour {new_item}", categories=["low", "new"])
    put = service.client.put_item(new_item, body)
    assert (put.item_id, put.trained, put.recommendable) == (new_item, False, "trending")
    assert service.client.item(new_item) == put
    assert items_of(service.client.items(f"harbour {new_item}")) == [new_item]
    assert items_of(service.client.items(f"{new_item} QUIET")) == [new_item]
    assert "new" in [category.name for category in service.client.categories()]
    service.client.delete_item(new_item)


def test_a_new_item_comes_into_lists_by_trending_once_it_is_touched(
    service: Server, new_item: int, unseen_user: int
) -> None:
    service.client.put_item(new_item, wire.ItemBody(title="New", categories=["low"]))
    service.client.record(
        [wire.Event(user_id=2_000_000 + new_item * 1000 + i, item_id=new_item) for i in range(900)]
    )
    until(lambda: new_item in items_of(service.client.trending(k=3)), 5)
    assert new_item in items_of(service.client.recommend(unseen_user, k=3))
    assert new_item not in items_of(
        service.client.recommend(unseen_user, k=40, categories=["high"])
    )
    service.client.patch_item(new_item, available=False)
    assert new_item not in items_of(service.client.trending(k=40))
    assert new_item not in items_of(service.client.recommend(unseen_user, k=40))
    service.client.delete_item(new_item)


def test_a_model_that_reads_metadata_recommends_a_new_item_at_once(
    two_tower: Server, new_item: int
) -> None:
    put = two_tower.client.put_item(new_item, wire.ItemBody(title="New", categories=["low"]))
    assert put.recommendable == "metadata"
    low, high = two_tower.client.recommend_many(
        [wire.AskedUser(history=[0, 1, 2, 3]), wire.AskedUser(history=[20, 21, 22, 23])], k=41
    )
    assert low.source == "model"
    assert items_of(low).index(new_item) < 20 <= items_of(high).index(new_item)
    scores = [item.score for item in low.items]
    assert scores == sorted(scores, reverse=True)
    two_tower.client.delete_item(new_item)
    assert new_item not in items_of(two_tower.client.recommend_for([0, 1, 2, 3], k=41))


@pytest.fixture(scope="module")
def featured(
    tmp_path_factory: pytest.TempPathFactory, new_database: Databases, serving: Serving
) -> Iterator[Server]:
    """Two towers on two tastes, which the features brand, price and about of the items tell."""
    texts = ["a calm quiet thing", "a wild noisy thing"]
    items = pl.DataFrame(
        {
            "item_id": range(40),
            "brand": ["dull"] * 20 + ["loud"] * 20,
            "price": [float(item % 5 + 30 * (item >= 20)) for item in range(40)],
            "about": [texts[item >= 20] + f" no {item}" for item in range(40)],
        }
    )
    log = two_tastes().to_frame()
    data = tm.read(log, items=items, user="user_id", item="item_id", time="timestamp")
    model = tm.TwoTower(
        epochs=12, batch_size=16, embedding_size=16, hidden=16, learning_rate=1e-2, seed=3
    )
    folder = tmp_path_factory.mktemp("runs") / "featured"
    tm.save_run(folder, model.fit(tm.no_holdout(data)))
    with serving(folder, new_database("sqlite")) as server:
        yield server


def test_a_new_item_with_the_right_features_outranks_one_with_the_wrong_ones(
    featured: Server,
) -> None:
    sent = {
        901: {"brand": "dull", "price": 2},
        902: {"brand": "loud", "price": 33.5},
        903: {"about": "something quiet and calm"},
    }
    for item, features in sent.items():
        put = featured.client.put_item(item, wire.ItemBody(title="New", features=features))
        assert (put.recommendable, put.features) == ("metadata", features)
        assert featured.client.item(item).features == features
    low, high = (
        items_of(featured.client.recommend_for(history, k=43))
        for history in ([0, 1, 2, 3], [20, 21, 22, 23])
    )
    assert max(low.index(901), low.index(903)) < low.index(902)
    assert high.index(902) < min(high.index(901), high.index(903))
    patched = featured.client.patch_item(901, features={"brand": "loud", "price": 33})
    assert patched.title == "New"
    assert items_of(featured.client.recommend_for([0, 1, 2, 3], k=43)).index(901) > 19
    unknown = featured.client.put_item(904, wire.ItemBody(features={"brand": "unheard"}))
    assert unknown.recommendable == "trending"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"prise": 3}, 'no feature "prise"; did you mean "price"'),
        ({"categories": ["low"]}, '"categories" is a field of the item itself'),
        ({"price": "cheap"}, "feature \"price\": 'cheap' is not a number"),
        ({"about": "x" * 2001}, "at most 2000 characters"),
        ({f"f{number}": 1 for number in range(101)}, "at most 100 items"),
    ],
)
def test_features_that_cannot_be_used_are_refused(
    featured: Server, features: dict, message: str
) -> None:
    for request in (
        lambda: featured.http.put("/v1/items/905", json={"features": features}),
        lambda: featured.http.post(
            "/v1/items",
            content=json.dumps({"item_id": 905, "features": features}),
            headers={"Content-Type": "application/x-ndjson"},
        ),
    ):
        answer = request()
        assert answer.status_code == 422
        assert message in answer.json()["detail"]
    assert featured.http.get("/v1/items/905").status_code == 404


def test_a_new_item_that_was_touched_is_gone_from_the_list(
    two_tower: Server, new_item: int, unseen_user: int
) -> None:
    two_tower.client.put_item(new_item, wire.ItemBody(title="New", categories=["low"]))
    two_tower.client.record(
        [wire.Event(user_id=unseen_user, item_id=item) for item in (1, new_item)]
    )
    assert new_item not in items_of(two_tower.client.recommend(unseen_user, k=41))
    assert new_item in items_of(two_tower.client.recommend(unseen_user, k=41, exclude_seen=False))
    assert new_item in [item.item_id for item in two_tower.client.history(unseen_user).items]
    two_tower.client.delete_item(new_item)


def test_an_item_of_unknown_categories_is_recommended_by_trending_only(
    two_tower: Server, new_item: int
) -> None:
    put = two_tower.client.put_item(new_item, wire.ItemBody(title="New", categories=["unheard"]))
    assert put.recommendable == "trending"
    two_tower.client.delete_item(new_item)


def test_a_hidden_item_disappears_everywhere_and_can_be_shown_again(
    service: Server, unseen_user: int
) -> None:
    service.client.record(wire.Event(user_id=unseen_user, item_id=3))
    item = service.client.recommend(unseen_user, k=1).items[0].item_id
    assert service.client.patch_item(item, hidden=True).recommendable == "no"
    assert item not in items_of(service.client.recommend(unseen_user, k=40))
    assert item not in items_of(service.client.trending(k=40))
    assert item not in items_of(service.client.items(f"item {item}"))
    assert item not in [similar.item_id for similar in service.client.similar(3, k=40).items]
    restored = service.client.patch_item(item, hidden=False)
    assert (restored.recommendable, restored.title) == ("model", f"Item {item}")
    assert service.client.recommend(unseen_user, k=1).items[0].item_id == item


def test_an_unavailable_item_is_found_but_not_recommended(
    service: Server, unseen_user: int
) -> None:
    item = service.client.recommend(unseen_user, k=1).items[0].item_id
    assert service.client.patch_item(item, available=False).recommendable == "no"
    assert item not in items_of(service.client.recommend(unseen_user, k=40))
    assert item in items_of(service.client.items(f"item {item}"))
    service.client.patch_item(item, available=True)
    assert service.client.recommend(unseen_user, k=1).items[0].item_id == item


def test_patch_changes_what_is_given_and_put_everything(service: Server, new_item: int) -> None:
    full = wire.ItemBody(title="First", categories=["low"], image_url="/first.jpg")
    service.client.put_item(new_item, full)
    patched = service.client.patch_item(new_item, title="Second")
    assert (patched.title, patched.categories, patched.image_url) == (
        "Second", ["low"], "/first.jpg"
    )  # fmt: skip
    put = service.client.put_item(new_item, wire.ItemBody(title="Third"))
    assert (put.title, put.categories, put.image_url) == ("Third", None, None)
    service.client.delete_item(new_item)


def test_a_trained_item_gets_a_new_title_in_lists(service: Server, unseen_user: int) -> None:
    first = service.client.recommend(unseen_user, k=1).items[0]
    service.client.patch_item(first.item_id, title="Renamed", image_url="https://img.example/1")
    again = service.client.recommend(unseen_user, k=1).items[0]
    assert (again.item_id, again.title, again.image_url, again.categories) == (
        first.item_id, "Renamed", "https://img.example/1", first.categories
    )  # fmt: skip
    service.client.patch_item(first.item_id, title=first.title, image_url=None)


def test_a_deleted_item_is_gone_until_it_is_put_again(service: Server, unseen_user: int) -> None:
    service.client.record([wire.Event(user_id=unseen_user, item_id=item) for item in (39, 38)])
    service.client.delete_item(39)
    for ask in (service.client.item, service.client.similar, service.client.delete_item):
        with pytest.raises(ServiceError, match="item 39 is not in the catalog") as missing:
            ask(39)
        assert missing.value.status == 404
    assert 39 not in everything(service)
    assert 39 not in items_of(service.client.recommend(unseen_user, k=40, exclude_seen=False))
    assert [item.item_id for item in service.client.history(unseen_user).items] == [38]
    service.client.put_item(39, wire.ItemBody(title="Item 39", categories=["high"]))
    assert 39 in items_of(service.client.recommend(unseen_user, k=40, exclude_seen=False))
    assert 39 in [item.item_id for item in service.client.history(unseen_user).items]


def test_lists_keep_to_the_categories_and_leave_out_what_is_excluded(
    service: Server, unseen_user: int
) -> None:
    service.client.record(wire.Event(user_id=unseen_user, item_id=3))
    high = items_of(service.client.recommend(unseen_user, k=40, categories=["high"]))
    assert sorted(high) == list(range(20, 40))
    both = service.client.recommend(unseen_user, k=40, categories=["high", "low"])
    assert len(both.items) == 39
    some = service.client.recommend(unseen_user, k=40, categories=["high"], exclude=high[:5])
    assert items_of(some) == high[5:]
    assert sorted(items_of(service.client.trending(k=40, categories=["high"]))) == sorted(high)


def test_an_unknown_category_is_refused_with_the_nearest_name(service: Server) -> None:
    for ask in (
        lambda: service.client.recommend(3, categories=["hihg"]),
        lambda: service.client.recommend_for([3], categories=["hihg"]),
        lambda: service.client.trending(categories=["hihg"]),
        lambda: service.client.items(categories=["hihg"]),
    ):
        with pytest.raises(ServiceError, match='"hihg"; did you mean "high"') as refused:
            ask()
        assert refused.value.status == 422


def test_categories_are_counted_as_they_are_now(on_sqlite: Server, new_item: int) -> None:
    def counts() -> dict[str, int]:
        return {each.name: each.n_items for each in on_sqlite.client.categories()}

    assert counts() == {"low": 20, "high": 20}
    on_sqlite.client.put_item(new_item, wire.ItemBody(categories=["high", "new", "new"]))
    assert on_sqlite.client.item(new_item).categories == ["high", "new"]
    on_sqlite.client.patch_item(0, hidden=True)
    assert counts() == {"high": 21, "low": 19, "new": 1}
    on_sqlite.client.patch_item(0, hidden=False)
    on_sqlite.client.delete_item(new_item)
    assert counts() == {"low": 20, "high": 20}


@pytest.mark.parametrize("limit", [1, 7, 40, 200])
def test_paging_visits_every_item_once(on_sqlite: Server, limit: int) -> None:
    visited = everything(on_sqlite, limit=limit)
    assert sorted(visited) == list(range(40))
    found = everything(on_sqlite, limit=limit, search="item 1", categories=["low"])
    assert sorted(found) == [1, *range(10, 20)]
    assert found[0] == 1, "the whole title comes first"


def test_similar_items_are_of_the_same_taste_and_not_the_item_itself(on_sqlite: Server) -> None:
    similar = on_sqlite.client.similar(3, k=5)
    assert (similar.item_id, similar.model) == (3, "ease")
    assert [item.rank for item in similar.items] == [1, 2, 3, 4, 5]
    assert all(item.item_id < 20 and item.item_id != 3 for item in similar.items)
    assert similar.items[0].title == f"Item {similar.items[0].item_id}"


def test_similar_items_of_a_new_item_are_found_or_refused_with_a_reason(
    on_sqlite: Server, new_item: int
) -> None:
    on_sqlite.client.put_item(new_item, wire.ItemBody(title="New", categories=["low"]))
    answer = on_sqlite.http.get(f"/v1/items/{new_item}/similar")
    assert answer.status_code in (200, 422)
    assert answer.status_code == 200 or "next training" in answer.json()["detail"]
    on_sqlite.client.delete_item(new_item)


def test_a_new_item_without_categories_has_no_similar_items(
    on_sqlite: Server, new_item: int
) -> None:
    for item in (new_item, new_item + 1_000_000):
        on_sqlite.client.put_item(item, wire.ItemBody(title="New"))
    assert on_sqlite.client.similar(new_item).items == []
    for item in (new_item, new_item + 1_000_000):
        on_sqlite.client.delete_item(item)


def test_an_id_of_the_wrong_kind_is_refused_and_the_right_kind_named(on_sqlite: Server) -> None:
    answer = on_sqlite.http.put("/v1/items/matrix", json={"title": "The Matrix"})
    assert answer.status_code == 422
    assert "whole numbers" in answer.json()["detail"]
    assert on_sqlite.http.get("/v1/items/matrix").status_code == 404


def test_histories_in_a_request_are_for_one_and_for_many_and_nothing_is_kept(
    service: Server, unseen_user: int, known_user: int
) -> None:
    alone = service.client.recommend_for([3, 4], k=5)
    assert (alone.user_id, alone.source) == (None, "model")
    users = [
        wire.AskedUser(history=[3, 4]),
        wire.AskedUser(user_id=known_user),
        wire.AskedUser(user_id=unseen_user, history=[3, 4]),
        wire.AskedUser(user_id=unseen_user),
        wire.AskedUser(history=[]),
    ]
    first, second, third, fourth, fifth = service.client.recommend_many(users, k=5)
    assert items_of(first) == items_of(alone) == items_of(third)
    assert items_of(second) == items_of(service.client.recommend(known_user, k=5))
    assert (third.user_id, fourth.source, fifth.source) == (unseen_user, "trending", "trending")
    assert service.client.history(unseen_user).items == []


def test_diversity_changes_the_list_and_zero_does_not(service: Server, unseen_user: int) -> None:
    service.client.record(wire.Event(user_id=unseen_user, item_id=3))
    plain = items_of(service.client.recommend(unseen_user, k=10))
    assert items_of(service.client.recommend(unseen_user, k=10, diversity=0)) == plain
    assert items_of(service.client.recommend(unseen_user, k=10, diversity=1)) != plain


def test_an_unknown_parameter_is_refused(on_sqlite: Server) -> None:
    answer: httpx2.Response = on_sqlite.http.get("/v1/users/3/recommendations?kk=3")
    assert answer.status_code == 422
    assert "kk" in answer.json()["detail"]
