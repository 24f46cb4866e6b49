"""Why this item: contributions that add up to the score, and who cannot say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.data.recommendations import Recommendations
from tastemaker.errors import ConfigError, UnknownIdError, UnsupportedError
from tastemaker.models.factorization.ials import IALSConfig
from tastemaker.models.recommender import Recommender
from tastemaker.testing.worlds import two_tastes

HISTORY = [1, 2, 5, 30]


def ials(split: tm.Split) -> Recommender:
    vectors = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    return tm.IALS.from_state(IALSConfig(embedding_size=6), split, {"items": vectors})


EXACT = {
    "ease": lambda split: tm.EASE(regularization=5.0).fit(split),
    "ease of nearest items": lambda split: tm.EASE(regularization=5.0, neighbours=9).fit(split),
    "itemknn": lambda split: tm.ItemKNN().fit(split),
    "graphfilter": lambda split: tm.GraphFilter(order=2).fit(split),
    "ials": ials,
}


@pytest.mark.parametrize("name", EXACT)
def test_contributions_sum_to_the_score(name: str) -> None:
    model = EXACT[name](tm.no_holdout(two_tastes()))
    history, items = torch.tensor(HISTORY), torch.arange(40)
    contributions = model.contributions(history, items)
    assert contributions.shape == (40, 4)
    scores = model.score(model.unseen_users([HISTORY]))[0]
    torch.testing.assert_close(contributions.sum(dim=1), scores, rtol=1e-4, atol=1e-5)


def test_other_models_compare_the_vectors_of_the_items() -> None:
    model = tm.MF(epochs=2, embedding_size=4).fit(tm.no_holdout(two_tastes()))
    found = model.contributions(torch.tensor(HISTORY), torch.tensor([7, 8]))
    unit = torch.nn.functional.normalize(model.item_vectors, dim=1)
    torch.testing.assert_close(found, unit[[7, 8]] @ unit[HISTORY].T)


def test_the_reasons_are_the_items_that_contribute_most() -> None:
    model = EXACT["ease"](tm.no_holdout(two_tastes()))
    table = model.explain(model.unseen_users([[*HISTORY, 1], [30]]), [7, 8], n=2).frame
    contributions = model.contributions(torch.tensor(HISTORY), torch.tensor([7, 8]))
    for row, item in enumerate([7, 8]):
        reasons = table.filter(item_id=item).head(2)
        order = contributions[row].argsort(descending=True)[:2]
        assert reasons["because_item_id"].to_list() == [HISTORY[i] for i in order]
        assert reasons["rank"].to_list() == [1, 2]
        assert reasons["because_title"].to_list() == [f"Item {HISTORY[i]}" for i in order]
        np.testing.assert_allclose(reasons["contribution"], contributions[row][order], rtol=1e-6)


def test_negative_contributions_and_the_item_itself_are_no_reasons() -> None:
    model = EXACT["ease"](tm.no_holdout(two_tastes()))
    assert (model.contributions(torch.tensor([30]), torch.tensor([7])) <= 0).all()
    assert len(model.explain(model.unseen_users([[30]]), 7)) == 0
    similar = tm.MF(epochs=2, embedding_size=4).fit(model.split)
    assert 7 not in similar.explain(similar.unseen_users([[7, 8, 9]]), 7).frame["because_item_id"]


def test_recommendations_come_with_their_reasons() -> None:
    model = EXACT["itemknn"](tm.no_holdout(two_tastes()))
    lists = model.recommend([0, 1], k=3, because=2).frame
    assert lists.drop("because").equals(model.recommend([0, 1], k=3).frame)
    for row in Recommendations(lists):
        explained = model.explain(row["user_id"], row["item_id"], n=2).frame
        assert 0 < len(row["because"]) <= 2
        assert [r["item_id"] for r in row["because"]] == explained["because_item_id"].to_list()
        assert [r["title"] for r in row["because"]] == explained["because_title"].to_list()


def test_a_user_without_a_history_gets_a_table_of_empty_reasons() -> None:
    model = EXACT["itemknn"](tm.no_holdout(two_tastes()))
    lists = model.recommend(model.unseen_users([[]]), k=3, because=2).frame
    assert lists["because"].to_list() == [[], [], []]
    assert lists.schema["because"] == model.recommend(0, because=2).frame.schema["because"]


def test_a_model_without_item_similarity_is_refused() -> None:
    for model in (tm.Popularity(), tm.Random()):
        model.fit(tm.no_holdout(two_tastes()))
        with pytest.raises(UnsupportedError, match="does not provide the similarity of items"):
            model.explain(0, 1)
    with pytest.raises(ConfigError, match="n is 0; it must be at least 1"):
        EXACT["ease"](tm.no_holdout(two_tastes())).explain(0, 1, n=0)
    with pytest.raises(UnknownIdError, match="item 99"):
        EXACT["ease"](tm.no_holdout(two_tastes())).explain(0, 99)


@pytest.mark.parametrize("name", EXACT)
def test_contributions_of_a_weighted_history_sum_to_its_score(name: str) -> None:
    model = EXACT[name](tm.no_holdout(two_tastes()))
    weights = np.array([0.5, 2, 7, 1], dtype=np.float32)
    users = replace(model.unseen_users([HISTORY]), weights=weights)
    contributions = model.contributions(
        torch.tensor(HISTORY), torch.arange(40), torch.from_numpy(weights)
    )
    torch.testing.assert_close(
        contributions.sum(dim=1), model.score(users)[0], rtol=1e-4, atol=1e-5
    )
    reasons = model.explain(users, [7], n=4).frame
    expected = contributions[7][contributions[7] > 0].sort(descending=True).values
    np.testing.assert_allclose(reasons["contribution"], expected, rtol=1e-5)
