"""The half-life that models find from their training data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.models.half_life import best_half_life
from tastemaker.testing.worlds import drifting, two_tastes

CROWD = two_tastes(n_users=300, n_items=60, length=15)
"""Each user's items are in a random order."""


def without_times(data: tm.Dataset) -> tm.Dataset:
    return replace(data, timestamps=None)


FADING = {
    "ease": tm.EASE(),
    "itemknn": tm.ItemKNN(),
    "graphfilter": tm.GraphFilter(ideal_dimensions=8),
    "ials": tm.IALS(embedding_size=8),
}


def test_it_is_short_where_the_next_item_follows_from_the_last_ones() -> None:
    assert best_half_life(drifting()) in (3.0, 5.0)


@pytest.mark.parametrize("seed", range(5))
def test_there_is_none_where_the_order_is_random(seed: int) -> None:
    data = two_tastes(n_users=300, n_items=60, length=15, seed=seed)
    assert best_half_life(data) is None


def test_there_is_none_with_too_few_users_to_tell() -> None:
    assert best_half_life(drifting(n_users=99)) is None
    assert best_half_life(drifting(n_users=100)) is not None


def test_only_users_with_earlier_interactions_count() -> None:
    frame = drifting(n_users=100).to_frame()
    single = pl.DataFrame({"user_id": range(1000, 1100), "item_id": 0, "timestamp": 0})
    known = frame.filter(pl.col("user_id") < 99)
    assert best_half_life(tm.read(pl.concat([known, single], how="diagonal_relaxed"))) is None


def test_only_interactions_that_count_as_targets_are_held_out() -> None:
    frame = drifting().to_frame().with_columns(event=pl.lit("view"))
    few = frame.with_columns(
        event=pl.when(pl.col("user_id") < 99).then(pl.lit("buy")).otherwise(pl.lit("view"))
    )
    kinds = {"event": "event", "event_weights": {"view": 1, "buy": 1}, "targets": ["buy"]}
    assert best_half_life(tm.leave_one_out(tm.read(few, **kinds)).train) is None
    many = frame.with_columns(event=pl.lit("buy"))
    assert best_half_life(tm.leave_one_out(tm.read(many, **kinds)).train) is not None


@pytest.mark.parametrize("model", FADING.values(), ids=FADING.keys())
def test_a_model_takes_it_by_default_and_says_so(model: tm.Recommender) -> None:
    model.fit(tm.no_holdout(drifting()))
    best = best_half_life(drifting())
    expected = best / 4 if model.name == "ials" else best
    assert model.half_life_events == expected
    assert model.log.notes == (
        f"{model.name}: an interaction counts half after {expected:g} later ones of its user "
        "(half_life_events, found from the data)",
    )
    settings = model.config.model_copy(update={"half_life_events": expected})
    given = type(model)(settings).fit(tm.no_holdout(drifting()))
    users = [0, 1, 2]
    np.testing.assert_array_equal(model.score(model.users(users)), given.score(given.users(users)))
    assert given.log.notes == ()


@pytest.mark.parametrize("model", FADING.values(), ids=FADING.keys())
def test_data_without_times_do_not_fade(model: tm.Recommender) -> None:
    model.fit(tm.no_holdout(without_times(drifting())))
    assert model.half_life_events is None
    settings = model.config.model_copy(update={"half_life_events": None})
    plain = type(model)(settings).fit(tm.no_holdout(without_times(drifting())))
    np.testing.assert_array_equal(model.score(model.users([3])), plain.score(plain.users([3])))


def test_it_is_found_again_for_other_data() -> None:
    model = tm.ItemKNN().fit(tm.no_holdout(drifting()))
    assert model.half_life_events is not None
    assert model.fit(tm.no_holdout(CROWD)).half_life_events is None
    assert model.log.notes == ()


@pytest.mark.parametrize("model", FADING.values(), ids=FADING.keys())
@pytest.mark.parametrize("data", [drifting(), CROWD], ids=["fading", "not fading"])
def test_a_saved_run_keeps_it_without_another_search(
    model: tm.Recommender, data: tm.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.fit(tm.no_holdout(data))
    tm.save_run(tmp_path / "run", model)
    monkeypatch.setattr("tastemaker.models.fading.best_half_life", None)
    opened = tm.open_run(tmp_path / "run").model
    assert opened.half_life_events == model.half_life_events
    assert opened.config.half_life_events == "auto"
    histories = [[1, 2, 3], [3, 2, 1]]
    np.testing.assert_array_equal(
        opened.score(opened.unseen_users(histories)), model.score(model.unseen_users(histories))
    )


def test_the_parts_of_a_saved_blend_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blend = tm.Blend(parts=("ease", "ials"), weights=(0.5, 0.5), ials={"embedding_size": 8})
    blend.fit(tm.no_holdout(drifting()))
    assert [note.partition(":")[0] for note in blend.log.notes[:2]] == ["ease", "ials"]
    tm.save_run(tmp_path / "run", blend)
    monkeypatch.setattr("tastemaker.models.fading.best_half_life", None)
    opened = tm.open_run(tmp_path / "run").model
    for name, part in blend.parts.items():
        assert opened.parts[name].half_life_events == part.half_life_events is not None
    np.testing.assert_array_equal(opened.score(opened.users([4])), blend.score(blend.users([4])))


def test_a_run_that_was_saved_without_it_does_not_fade() -> None:
    fitted = tm.EASE(half_life_events=None).fit(tm.no_holdout(drifting()))
    state = fitted.state()
    assert "half_life_events" not in state
    opened = tm.EASE.from_state(tm.EASE().config, fitted.split, state)
    assert opened.half_life_events is None


@pytest.mark.parametrize("value", [0, -1, "short", float("nan"), [5]])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="half_life_events is .* number above 0, auto or none"):
        tm.EASE(half_life_events=value)
