"""Blend against its definition, and what it takes from its parts."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, UnsupportedError
from tastemaker.experiments.search import space_of
from tastemaker.models.blend.weighing import moves, standardised, weightings
from tastemaker.models.recommender import Recommender
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import dataset_of, two_tastes

SMALL_SASREC = {"epochs": 2, "embedding_size": 8, "layers": 1, "batch_size": 16}
HISTORY = [1, 2, 5, 30]


@pytest.fixture(scope="module")
def split() -> tm.Split:
    """Users who touch their own taste's items, of which the first ones are popular."""
    random, histories = np.random.default_rng(1), {}
    popularity = 1 / np.arange(1, 21)
    for user in range(80):
        items = random.choice(20, 9, replace=False, p=popularity / popularity.sum())
        histories[user] = [int(item) + 20 * (user % 2) for item in items]
    return tm.leave_one_out(dataset_of(histories))


@pytest.fixture(scope="module")
def fitted(split: tm.Split) -> tm.Blend:
    settings = {"ease": {"regularization": 5.0}, "sasrec": SMALL_SASREC}
    return tm.Blend(parts=("ease", "popularity", "sasrec"), **settings).fit(split)


def z_scores(model: Recommender, users: UserBatch) -> np.ndarray:
    scores = model.score(users).double().numpy()
    return (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)


def test_the_score_is_the_weighted_sum_of_the_z_scores_of_models_fitted_alone(
    split: tm.Split,
) -> None:
    blend = tm.Blend(parts=("ease", "itemknn"), weights=(3, 1), ease={"regularization": 5.0}).fit(
        split
    )
    assert blend.part_weights == {"ease": 0.75, "itemknn": 0.25}
    alone = tm.EASE(regularization=5.0).fit(split), tm.ItemKNN().fit(split)
    for users in (blend.users([3, 8]), blend.unseen_users([HISTORY])):
        expected = sum(w * z_scores(m, users) for w, m in zip((0.75, 0.25), alone, strict=True))
        np.testing.assert_allclose(blend.score(users), expected, atol=1e-5)


def test_the_weights_have_the_highest_ndcg_on_the_validation_part(split: tm.Split) -> None:
    blend = tm.Blend(parts=("ease", "popularity")).fit(split)
    values = []
    for step in range(21):
        model = tm.Blend(parts=("ease", "popularity"), weights=(step, 20 - step)).fit(split)
        result = tm.evaluate(model, part="validation", protocol=tm.FullRanking(), baseline=False)
        values.append(result.metrics["ndcg@10"])
    best = values[round(20 * blend.part_weights["ease"])]
    assert best == pytest.approx(max(values), abs=1e-9)
    assert best > max(values[0], values[-1]), "else this test shows nothing"
    (note,) = blend.log.notes
    assert f"an NDCG@10 of {best:.4f}" in note


def test_without_a_validation_part_the_weights_are_equal_and_a_note_tells_so(
    split: tm.Split, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="tastemaker")
    blend = tm.Blend(parts=("ease", "popularity")).fit(tm.no_holdout(two_tastes()))
    assert blend.part_weights == {"ease": 0.5, "popularity": 0.5}
    assert "ease 0.50, popularity 0.50 (equal, since there is no validation part)" in caplog.text
    trained_again = tm.Blend(parts=("ease", "popularity"))
    earlier = tm.Blend(parts=("ease", "popularity"), weights=(0.9, 0.1)).fit(split)
    trained_again.fit(tm.no_holdout(two_tastes()), start_from=earlier)
    assert trained_again.part_weights == pytest.approx(earlier.part_weights)


def test_each_part_reads_repeated_events_in_its_own_way() -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "user": np.repeat(np.arange(30), 12),
            "item": random.integers(0, 9, 360),
            "time": np.arange(360) * 86_400,
        }
    )
    split = tm.no_holdout(tm.read(frame, repeats="keep"))
    blend = tm.Blend(parts=("repeat", "ease"), weights=(0.5, 0.5)).fit(split)
    alone = tm.Repeat().fit(split), tm.EASE().fit(split)
    users = blend.users([0, 7])
    expected = sum(0.5 * z_scores(model, users) for model in alone)
    np.testing.assert_allclose(blend.score(users), expected, atol=1e-5)
    assert blend.users([0]).lengths[0] == 12, "the events are kept"


def test_the_parts_are_trained_in_folders_of_their_own_and_can_be_resumed(
    split: tm.Split, tmp_path: Path
) -> None:
    reports: list[tm.Progress] = []

    def fit(epochs: int, resume: bool) -> tm.Blend:
        settings = SMALL_SASREC | {"epochs": epochs, "dropout": 0.0}
        run = tm.TrainingRun(folder=tmp_path, resume=resume, on_progress=reports.append)
        return tm.Blend(parts=("popularity", "sasrec"), sasrec=settings).fit(split, run)

    fit(1, resume=False)
    assert (tmp_path / "sasrec" / "checkpoints" / "last.safetensors").exists()
    resumed = fit(2, resume=True)
    assert [record["epoch"] for record in resumed.log.parts["sasrec"].records] == [1, 2]
    assert {"training sasrec", "weighing the parts"} <= {report.what for report in reports}


@pytest.mark.parametrize("n_parts", [2, 3, 5, 20])
def test_the_weightings_that_are_compared_lie_on_the_simplex(n_parts: int) -> None:
    found = weightings(n_parts)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(found)))
    assert found[0].tolist() == pytest.approx([1 / n_parts] * n_parts), "the first of ties"
    corners = {tuple(row) for row in torch.eye(n_parts).tolist()}
    assert corners <= {tuple(row) for row in found.tolist()}
    assert len(found) <= 101


def test_a_move_takes_no_more_than_a_part_has() -> None:
    found = moves(torch.tensor([0.75, 0.25, 0.0]), 0.5)
    assert found.tolist() == [
        [0.75, 0.25, 0.0],
        [0.25, 0.75, 0.0], [0.25, 0.25, 0.5],
        [1.0, 0.0, 0.0], [0.75, 0.0, 0.25],
    ]  # fmt: skip


def test_the_weights_of_three_parts_are_as_good_as_those_of_two(split: tm.Split) -> None:
    def value(*parts: str) -> float:
        blend = tm.Blend(parts=parts).fit(split)
        result = tm.evaluate(blend, part="validation", protocol=tm.FullRanking(), baseline=False)
        return result.metrics["ndcg@10"]

    assert value("ease", "popularity", "random") >= value("ease", "popularity") - 0.005


def test_a_part_trained_by_a_softmax_is_blended_by_its_probabilities(split: tm.Split) -> None:
    settings = {"ease": {"regularization": 5.0}, "sasrec": SMALL_SASREC}
    blend = tm.Blend(parts=("ease", "sasrec"), weights=(0.3, 0.7), **settings).fit(split)
    users = blend.users([3, 8])
    probabilities = blend.parts["sasrec"].score(users).double().softmax(1).numpy()
    deviations = probabilities - probabilities.mean(1, keepdims=True)
    of_sasrec = deviations / probabilities.std(1, keepdims=True)
    expected = 0.3 * z_scores(blend.parts["ease"], users) + 0.7 * of_sasrec
    np.testing.assert_allclose(blend.score(users), expected, atol=1e-4)


def test_equal_scores_of_a_part_count_as_zero() -> None:
    equal, others = torch.full((1, 1000), 0.1), torch.arange(1000.0)[None]
    scores = standardised(torch.cat([equal, others]))
    assert (scores[0] == 0).all()
    assert scores[1].mean().abs() < 1e-6
    assert scores[1].std(correction=0) == pytest.approx(1, abs=1e-5)


def test_a_user_who_is_cold_for_one_part_gets_its_popularity_and_the_other_parts_scores() -> None:
    data = dataset_of({user: [user % 5, (user + 1) % 5] for user in range(10)}, category=str)
    blend = tm.Blend(
        parts=("ease", "sasrec"), weights=(1, 1), sasrec={**SMALL_SASREC, "features": True}
    ).fit(tm.no_holdout(data))
    unseen_user = blend.unseen_users([[]])
    assert blend.is_cold(unseen_user).all()
    assert torch.equal(blend.score(unseen_user)[0], torch.full((5,), 4.0))


def test_a_saved_blend_has_its_parts_settings_weights_and_logs(
    fitted: tm.Blend, tmp_path: Path
) -> None:
    tm.save_run(tmp_path / "run", fitted)
    opened = tm.open_run(tmp_path / "run")
    assert isinstance(opened.model, tm.Blend)
    assert opened.model.part_weights == fitted.part_weights
    assert list(opened.model.parts) == ["ease", "popularity", "sasrec"]
    assert opened.model.parts["ease"].config == tm.EASE(regularization=5.0).config
    for users in (fitted.users([1, 2]), fitted.unseen_users([HISTORY, []])):
        assert torch.equal(opened.model.score(users), fitted.score(users))
    assert opened.training is not None
    assert len(opened.training["parts"]["sasrec"]["epochs"]) == 2
    assert opened.recommend(k=3).frame.equals(fitted.recommend(k=3).frame)


def test_the_seed_of_a_blend_is_that_of_all_its_parts() -> None:
    blend = tm.Blend(parts=("mf", "random", "ease"), seed=5, random={"seed": 7})
    seeds = [blend.parts[name].config.seed for name in ("mf", "random")]  # type: ignore[attr-defined]
    assert seeds == [5, 5]


def test_contributions_add_up_to_the_score_but_for_a_constant(split: tm.Split) -> None:
    blend = tm.Blend(parts=("ease", "itemknn"), weights=(0.6, 0.4)).fit(split)
    terms = blend.contributions(torch.tensor(HISTORY), torch.arange(40))
    assert terms.shape == (40, 4)
    rest = blend.score(blend.unseen_users([HISTORY]))[0] - terms.sum(dim=1)
    assert_same_scores(rest, rest.mean().expand(40))


def test_contributions_of_fading_parts_add_up_too(split: tm.Split) -> None:
    settings = {name: {"half_life_events": 2} for name in ("ease", "itemknn")}
    blend = tm.Blend(parts=("ease", "itemknn"), weights=(0.6, 0.4), **settings).fit(split)
    terms = blend.contributions(torch.tensor(HISTORY), torch.arange(40))
    rest = blend.score(blend.unseen_users([HISTORY]))[0] - terms.sum(dim=1)
    assert_same_scores(rest, rest.mean().expand(40))


def test_contributions_come_from_the_parts_whose_scores_are_sums(
    split: tm.Split, fitted: tm.Blend
) -> None:
    mixed = tm.Blend(parts=("popularity", "ease"), weights=(0.5, 0.5)).fit(split)
    history, items = torch.tensor(HISTORY), torch.arange(40)
    ratio = mixed.contributions(history, items) / mixed.parts["ease"].contributions(history, items)
    finite = ratio[ratio.isfinite()]
    torch.testing.assert_close(finite, finite.mean().expand_as(finite))
    similar = tm.Blend(parts=("popularity", "sasrec"), sasrec=SMALL_SASREC).fit(split)
    expected = similar.parts["sasrec"].contributions(history, items)
    torch.testing.assert_close(similar.contributions(history, items), expected)


def test_similar_items_are_those_of_the_first_part_that_compares_items(split: tm.Split) -> None:
    blend = tm.Blend(parts=("popularity", "itemknn", "ease")).fit(split)
    expected = tm.ItemKNN().fit(split).similar_items([3], k=4)
    assert blend.similar_items([3], k=4).frame.equals(expected.frame)
    neither = tm.Blend(parts=("popularity", "random")).fit(split)
    with pytest.raises(UnsupportedError, match="none of its parts does: popularity, random"):
        neither.similar_items([3])


def test_a_blend_reads_what_its_parts_read() -> None:
    assert tm.Blend(parts=("random", "sasrec")).reads_order
    assert not tm.Blend(parts=("ease", "itemknn")).reads_order
    assert tm.Blend(parts=("random", "ease")).uses_weights
    assert not tm.Blend(parts=("random", "multvae")).trains_in_processes


def test_the_tunable_settings_are_those_of_the_parts() -> None:
    space = space_of("blend", {"parts": ["ease", "itemknn"], "itemknn.b": 0.5})
    assert set(space) == {
        "ease.half_life_events", "ease.regularization", "ease.neighbours",
        "itemknn.half_life_events", "itemknn.similarity", "itemknn.neighbours", "itemknn.k1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parts": ["ease"]}, "name at least two models"),
        ({"parts": "ease"}, "parts is 'ease'; name at least two models"),
        ({"parts": ["ease", "ease"]}, "ease is named twice in parts"),
        ({"parts": ["ease", "blend"]}, "a blend cannot be a part"),
        ({"parts": ["ease", "sasrek"]}, 'did you mean "sasrec"?'),
        ({"regularization": 3}, 'did you mean "ease.regularization"?'),
        ({"ease": {"regularisation": 3}}, 'ease has no setting "regularisation"'),
        ({"ease": 3}, "ease is 3, but the settings of a part are given by name"),
        ({"weights": [1]}, "there are 1 weights and 2 parts"),
        ({"weights": [1, -1]}, "numbers of 0 or more"),
        ({"weights": [0, 0]}, "at least one above 0"),
        ({"weights": [float("nan"), 1]}, "should be a finite number"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        tm.Blend(**settings)
