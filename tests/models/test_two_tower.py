"""Two towers: the equations, and above all items without interactions."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, DataError
from tastemaker.models.sequence.two_tower import TwoTower, TwoTowerConfig, TwoTowerNetwork
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.sequence_batches import histories_of

CPU = torch.device("cpu")
LOW, HIGH = 100, 101
"""Two new items without interactions; 102 has no categories either."""


def world() -> tm.Dataset:
    """Two tastes of 20 items each, with two new items whose category says which taste they are."""
    data = two_tastes()
    known = data.catalog.frame.select("item_id", "categories")
    new = pl.DataFrame({"item_id": [LOW, HIGH, 102], "categories": [["low"], ["high"], []]})
    return data.with_catalog(tm.Catalog(pl.concat([known, new])), untouched_items=True)


@pytest.fixture(scope="module")
def fitted() -> TwoTower:
    model = TwoTower(epochs=10, batch_size=16, embedding_size=16, hidden=16, learning_rate=1e-2)
    return model.fit(tm.no_holdout(world()))


def network(**changes: object) -> TwoTowerNetwork:
    torch.manual_seed(0)
    config = TwoTowerConfig(embedding_size=4, hidden=5, length=6, **changes)
    made = TwoTowerNetwork(world(), config.for_data(world())).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn_like(parameter))
    return made


def test_a_new_item_of_the_right_taste_outranks_one_of_the_wrong_taste(fitted: TwoTower) -> None:
    data = fitted.dataset
    low, high = data.item_vocabulary.encode([LOW, HIGH])
    scores = fitted.score(fitted.users(list(range(60))))
    likes_low = torch.arange(60) % 2 == 0
    assert ((scores[:, low] > scores[:, high]) == likes_low).all()
    of_wrong_taste = scores[likes_low][:, 20:40]
    assert (scores[likes_low, low, None] > of_wrong_taste).all()


def test_a_new_item_is_recommended_like_any_other(fitted: TwoTower) -> None:
    lists = fitted.recommend(k=11).frame
    for item, parity in ((LOW, 0), (HIGH, 1)):
        fans = lists.filter(pl.col("item_id") == item)["user_id"]
        assert len(fans) >= 25
        assert (fans % 2 == parity).all()
    alike = fitted.similar_items([LOW, HIGH], k=5).frame["similar_item_id"].to_numpy()
    assert (alike[:5] < 20).all()
    assert ((alike[5:] >= 20) & (alike[5:] < 40)).all()


def test_a_new_item_may_stand_in_a_history(fitted: TwoTower) -> None:
    best = fitted.recommend(fitted.unseen_users([[HIGH]]), k=5).frame["item_id"]
    assert ((best >= 20) & (best != LOW)).all()


def test_an_untouched_item_without_categories_has_a_zero_vector(fitted: TwoTower) -> None:
    code = int(fitted.dataset.item_vocabulary.encode([102])[0])
    assert fitted.item_keys[code].abs().sum() == 0


def test_new_items_survive_a_saved_run(fitted: TwoTower, tmp_path: Path) -> None:
    tm.save_run(tmp_path / "run", fitted)
    opened = tm.open_run(tmp_path / "run")
    assert opened.recommend([3], k=43).frame.equals(fitted.recommend([3], k=43).frame)


def test_vectors_are_those_of_the_categories_and_for_touched_items_their_own() -> None:
    made = network()
    categories = {
        "high": made.features.table.weight[0],
        "low": made.features.table.weight[1],
    }
    raw = torch.stack([
        made.items.weight[3] + categories["low"],
        made.items.weight[30] + categories["high"],
        categories["low"],
        categories["high"],
    ])  # fmt: skip
    expected = raw / raw.norm(dim=1, keepdim=True)
    torch.testing.assert_close(made.vectors(torch.tensor([3, 30, 40, 41])), expected)


def test_queries_are_those_of_the_equations() -> None:
    made, histories = network(temperature=0.2), [[3, 30], [1, 4, 15, 9, 26], [35]]
    batch = histories_of(UserBatch.unseen_users(histories), 6, CPU)
    queries = made.encode(batch).flatten(0, 1).double().numpy()
    state = {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}
    factor = np.exp(-np.log1p(np.exp(state["decay"])))
    for history, last in zip(histories, batch.last.tolist(), strict=True):
        x = 2 * made.vectors(torch.tensor(history)).double().numpy()
        for n in range(1, len(history) + 1):
            weights = factor ** np.arange(n)[::-1]
            mean = weights @ x[:n] / weights.sum()
            hidden = np.maximum(state["tower.0.weight"] @ mean + state["tower.0.bias"], 0)
            query = mean + state["tower.3.weight"] @ hidden + state["tower.3.bias"]
            expected = query / np.linalg.norm(query) / 0.2
            np.testing.assert_allclose(queries[last - len(history) + n], expected, rtol=1e-3)


def test_id_embeddings_are_dropped_at_the_set_rate_in_training_only() -> None:
    made = network(id_dropout=0.3)
    items = torch.full((2000,), 3)
    whole, bare = made.vectors(items[:1])[0], network(id_dropout=1).vectors(items[:1])[0]
    made.train()
    seen = made.vectors(items)
    hidden = torch.isclose(seen, bare).all(dim=1)
    assert (hidden | torch.isclose(seen, whole).all(dim=1)).all()
    assert hidden.float().mean() == pytest.approx(0.3, abs=0.05)
    assert (made.eval().vectors(items) == whole).all()


def test_without_own_vectors_items_of_one_category_are_one() -> None:
    vectors = network(id_dropout=1.0).vectors(None)
    torch.testing.assert_close(vectors[:20], vectors[:1].expand(20, -1))
    torch.testing.assert_close(vectors[40], vectors[0])


def test_a_catalog_without_categories_says_what_to_give() -> None:
    bare = tm.no_holdout(dataset_of({0: [1, 2], 1: [2, 3]}))
    with pytest.raises(DataError, match=r"world: .* the catalog has none; give a table"):
        TwoTower(epochs=1).fit(bare)
    with pytest.raises(ConfigError, match="features is False"):
        TwoTower(features=False)


@pytest.mark.slow
def test_new_items_of_real_data_are_found_by_their_categories(data_folder: Path) -> None:
    """A twentieth of all items is taken out of training; where will they stand when they come?"""
    catalog = pl.read_parquet(data_folder / "amazon-beauty" / "items.parquet")
    all_users = tm.read(
        data_folder / "amazon-beauty" / "interactions.parquet",
        items=catalog.rename({"attributes": "categories"}),
    )
    data = tm.sample_users(all_users, 0.5)
    new = np.random.default_rng(0).random(data.n_items) < 0.05
    latest = np.zeros(len(data), dtype=bool)
    latest[data.indptr[1:] - 1] = True
    train = data.rows(~new[data.items])
    rows = latest & new[data.items] & (train.user_counts > 0)[data.users]
    model = TwoTower(epochs=3).fit(tm.no_holdout(train))
    queries = model.queries(UserBatch.known(train, data.users[rows]))
    scores = queries @ model.item_keys.T
    target_scores = scores[
        torch.arange(len(scores)), torch.from_numpy(data.items[rows].astype(np.int64))
    ]
    ranks = (scores >= target_scores[:, None]).sum(dim=1)
    assert (ranks / data.n_items).mean() < 0.25  # 0.5 by chance, 1 by popularity
    assert (ranks <= 50).float().mean() > 5 * 50 / data.n_items
