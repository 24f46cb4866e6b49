"""BPR: the vectors are the package's, whatever way they are asked for."""

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import UnsupportedError
from tastemaker.models.factorization import bpr, implicit_library
from tastemaker.models.factorization.bpr import BPR
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.run import TrainingRun

needs_implicit = pytest.mark.skipif(not implicit_library.INSTALLED, reason="needs implicit")


def of_vectors(users: torch.Tensor, items: torch.Tensor, biases: torch.Tensor) -> BPR:
    """A fitted model of these vectors, which needs nothing of the package implicit."""
    config = bpr.BPRConfig(embedding_size=items.shape[1])
    state = {"users": users, "items": items, "biases": biases}
    return BPR.from_state(config, tm.no_holdout(two_tastes()), state)


def test_a_score_is_the_product_of_the_vectors_and_the_items_bias() -> None:
    random = torch.Generator().manual_seed(0)
    users, items = torch.randn(60, 3, generator=random), torch.randn(40, 3, generator=random)
    biases = torch.arange(40.0)
    scores = of_vectors(users, items, biases).score(tm.UserBatch.known(two_tastes(), np.array([7])))
    expected = [float(users[7] @ items[item]) + item for item in range(40)]
    np.testing.assert_allclose(scores[0].numpy(), expected, rtol=1e-5)


@needs_implicit
def test_scores_are_those_of_the_package() -> None:
    split = tm.no_holdout(two_tastes())
    model = BPR(embedding_size=5, epochs=10, seed=2).fit(split)
    package = implicit_library.bpr("bpr", factors=5, iterations=10, random_state=2, num_threads=1)
    package.fit(bpr.interaction_matrix(split.train), show_progress=False)
    np.testing.assert_allclose(
        model.score(model.users([4])).numpy()[0],
        package.item_factors @ package.user_factors[4],
        rtol=1e-4,
        atol=1e-6,
    )


@needs_implicit
def test_an_unseen_user_with_a_users_history_gets_a_similar_list() -> None:
    model = BPR(embedding_size=8, epochs=100, learning_rate=0.05).fit(tm.no_holdout(two_tastes()))
    known = model.users(list(range(60)))
    unseen_users = tm.UserBatch(np.full(60, -1), known.items, known.indptr)
    known_scores, unseen_scores = model.score(known), model.score(unseen_users)
    both = torch.stack([known_scores.flatten(), unseen_scores.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.9


@needs_implicit
def test_each_epoch_is_reported_and_fewer_pairs_are_in_the_wrong_order(capfd) -> None:
    reports = []
    model = BPR(embedding_size=8, epochs=50, learning_rate=0.05)
    model.fit(tm.no_holdout(two_tastes()), TrainingRun(on_progress=reports.append))
    assert [progress.epoch for progress in reports if progress.metrics] == list(range(1, 51))
    losses = [record["loss"] for record in model.log.records]
    assert 0 <= losses[-1] < losses[0] <= 1
    assert capfd.readouterr() == ("", "")


def test_without_the_package_the_error_names_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(implicit_library, "INSTALLED", False)
    with pytest.raises(UnsupportedError, match=r"bpr needs .* 'tastemaker\[implicit\]'"):
        BPR().fit(tm.no_holdout(two_tastes()))


def test_interactions_are_copied_in_proportion_to_their_weights() -> None:
    weights = np.tile(np.array([1, 4, 10, 2.5], dtype=np.float32), 1000)
    numbers = bpr.copies(weights, np.random.default_rng(0)).reshape(1000, 4)
    # The mean weight is 4.4, so the unit is 1.1, which is copied once.
    np.testing.assert_allclose(
        numbers.mean(axis=0)[1:], np.array([4, 10, 2.5]) / 1.09375, rtol=0.03
    )
    assert (numbers[:, 0] == 1).all(), "at least once"
    assert (bpr.copies(np.full(9, 300.0), np.random.default_rng(0)) == 1).all()
