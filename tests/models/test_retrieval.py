"""Lists of a whole model: fast and plain agree, filters hold before the cut, lists are diverse."""

import importlib.util

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.data.catalog import Catalog
from tastemaker.errors import ArtifactError, ConfigError, UnsupportedError
from tastemaker.models import retrieval
from tastemaker.models.recommender import Recommender
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.topk import plain_top_k
from tastemaker.testing.worlds import two_tastes

needs_faiss = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="needs faiss")


@pytest.fixture(scope="module")
def model() -> Recommender:
    """Two tastes, of which the catalog knows too, and a user without a history."""
    data = two_tastes(n_users=80, n_items=400, length=30)
    kinds = ["low", "high"]
    catalog = pl.DataFrame(
        {"item_id": range(400), "categories": [[kinds[item // 200]] for item in range(400)]}
    )
    split = tm.no_holdout(data.with_catalog(Catalog(catalog)))
    return tm.MF(epochs=3, embedding_size=8).fit(split)


def every_kind_of_user(model: Recommender) -> tm.UserBatch:
    """Known users, unseen users and one of whom nothing is known."""
    known, unseen_users = model.users([0, 1, 2]), model.unseen_users([[1, 2, 3], [], [300, 301]])
    return tm.UserBatch(
        np.concatenate([known.codes, unseen_users.codes]),
        np.concatenate([known.items, unseen_users.items]),
        np.concatenate([known.indptr, known.indptr[-1] + unseen_users.indptr[1:]]),
    )


def test_lists_are_those_of_all_scores_for_every_kind_of_user(model) -> None:
    users = every_kind_of_user(model)
    (lists,) = model.top_items(users, 10)
    plain = plain_top_k(Exclusion(users).apply(model.score(users).clone()), 10)
    np.testing.assert_array_equal(lists.items, plain.items.numpy())
    np.testing.assert_allclose(lists.scores, plain.scores.numpy(), rtol=1e-5, atol=1e-6)


def test_blocks_of_users_give_what_all_at_once_give(model, monkeypatch) -> None:
    whole = model.recommend(every_kind_of_user(model), 5).frame
    monkeypatch.setattr(retrieval, "SCORES_AT_ONCE", 2 * 400)
    blocks = model.recommend(every_kind_of_user(model), 5).frame
    assert blocks["item_id"].equals(whole["item_id"])


def test_no_users_give_an_empty_table(model) -> None:
    assert len(model.recommend([], 5)) == 0


def test_k_eligible_items_come_back_when_k_exist(model) -> None:
    comedy = model.recommend(0, 10, eligible=tm.Eligible(categories=["high"])).frame
    assert len(comedy) == 10
    assert (comedy["item_id"] >= 200).all()
    best = model.recommend(0, 400).frame.filter(pl.col("item_id") >= 200)
    assert comedy["item_id"].equals(best["item_id"].head(10))
    few = model.recommend(0, 10, exclude_seen=False, eligible=tm.Eligible(only=[5, 250, 399]))
    assert sorted(few.frame["item_id"]) == [5, 250, 399]


@pytest.mark.parametrize("kind", [tm.EASE, tm.ItemKNN, tm.Popularity])
def test_models_without_item_vectors_filter_before_the_cut_too(kind) -> None:
    model = kind().fit(tm.no_holdout(two_tastes(n_users=200, n_items=400, length=30)))
    assert model.dataset.n_items == 400
    lists = model.recommend([0, 1], 10, eligible=tm.Eligible(never=list(range(0, 400, 2)))).frame
    assert lists.height == 20
    assert (lists["item_id"] % 2 == 1).all()
    scores = model.score(model.users([0])).clone()
    scores = Exclusion(model.users([0])).apply(scores)
    scores[:, ::2] = -torch.inf
    assert lists["item_id"].head(10).to_list() == plain_top_k(scores, 10).items[0].tolist()


def test_diversity_spreads_the_list_over_the_tastes(model) -> None:
    plain = model.recommend([0, 1, 2], 10).frame
    assert model.recommend([0, 1, 2], 10, diversity=0.0).frame.equals(plain)
    spread = model.recommend([0, 1, 2], 10, diversity=0.9).frame
    assert spread.height == 30

    def similarity(lists: pl.DataFrame) -> float:
        vectors = model.item_vectors[lists["item_id"].to_list()]
        unit = torch.nn.functional.normalize(vectors, dim=1).view(3, 10, -1)
        return float((unit @ unit.mT).mean())

    assert similarity(spread) < similarity(plain) - 0.05
    with pytest.raises(ConfigError, match="diversity is 2; it must be from 0 to 1"):
        model.recommend(0, diversity=2)


def test_a_feature_that_the_model_lacks_is_refused() -> None:
    model = tm.Popularity().fit(tm.no_holdout(two_tastes()))
    for question in ({"diversity": 0.5}, {"because": 2}):
        with pytest.raises(UnsupportedError, match="does not provide the similarity of items"):
            model.recommend(0, **question)


def test_an_index_gives_the_lists_of_the_model(model) -> None:
    index = tm.BFloat16Index(model.item_keys)
    found = model.recommend(every_kind_of_user(model), 10, index=index).frame
    expected = model.recommend(every_kind_of_user(model), 10).frame
    assert (found["item_id"] == expected["item_id"]).mean() > 0.95


def test_the_index_of_another_model_is_refused() -> None:
    split = tm.no_holdout(two_tastes())
    one, other = (tm.MF(epochs=1, embedding_size=size).fit(split) for size in (4, 8))
    assert other.item_keys is not None
    with pytest.raises(ConfigError, match="it is the index of another model"):
        one.recommend(0, index=tm.ExactIndex(other.item_keys))


@needs_faiss
def test_an_index_is_kept_with_its_run(model, tmp_path) -> None:
    tm.save_run(tmp_path / "run", model)
    with pytest.raises(ArtifactError, match=r"has no index yet; build one with: tastemaker index"):
        tm.open_run(tmp_path / "run").recommend(0, approximate=True)
    tm.open_run(tmp_path / "run").make_index()
    opened = tm.open_run(tmp_path / "run")
    found = opened.recommend(list(range(80)), 10, approximate=True).frame
    expected = opened.recommend(list(range(80)), 10).frame
    assert found.height == expected.height
    assert (found["item_id"] == expected["item_id"]).mean() > 0.9


@needs_faiss
def test_an_index_of_other_weights_is_refused(model, tmp_path) -> None:
    tm.save_run(tmp_path / "one", model)
    tm.open_run(tmp_path / "one").make_index()
    tm.save_run(tmp_path / "other", tm.MF(epochs=1, embedding_size=8).fit(model.split))
    (tmp_path / "one" / "index").rename(tmp_path / "other" / "index")
    with pytest.raises(ArtifactError, match="the index was built for other weights"):
        _ = tm.open_run(tmp_path / "other").index


def test_a_model_without_keys_has_no_index(tmp_path) -> None:
    tm.save_run(tmp_path / "run", tm.EASE().fit(tm.no_holdout(two_tastes())))
    with pytest.raises(UnsupportedError, match="ease does not support approximate search"):
        tm.open_run(tmp_path / "run").make_index()


def test_a_model_that_is_more_than_a_product_has_no_queries() -> None:
    model = tm.NCF(epochs=1).fit(tm.no_holdout(two_tastes()))
    with pytest.raises(UnsupportedError, match="not inner products"):
        model.queries(model.users([0]))
