"""Histories that are known but not trained on: the next item of users who are not in training."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import SplitError
from tastemaker.evaluation.cold_start import hold_out_users
from tastemaker.experiments.search import without_test


def part(*rows: tuple[str, str, int]) -> tm.Interactions:
    columns = ["user", "item", "time"]
    return tm.read_interactions(pl.DataFrame(rows, schema=columns, orient="row"))


TRAIN = part(
    ("a", "pen", 0), ("a", "ink", 1), ("b", "pen", 0), ("b", "ink", 1), ("c", "tea", 0),
    ("c", "cup", 1), ("d", "tea", 0), ("d", "cup", 1),
)  # fmt: skip
HISTORIES = part(("new", "tea", 0), ("newer", "pen", 0))


def split_of_new_users() -> tm.Split:
    return tm.predefined_split(
        TRAIN, part(("new", "cup", 1)), validation=part(("newer", "ink", 1)), histories=HISTORIES
    )


def test_users_outside_training_are_predicted_from_their_histories() -> None:
    split = split_of_new_users()
    users = split.train.user_vocabulary.encode(["new", "newer"])
    assert split.train.user_counts[users].tolist() == [0, 0]
    model = tm.ItemKNN().fit(split)
    for held_out in ("test", "validation"):
        ranks = tm.FullRanking().ranks(model, split, held_out)
        assert ranks.tolist() == [1]


def test_a_history_belongs_to_both_held_out_parts_and_to_the_whole() -> None:
    split = split_of_new_users()
    new = int(split.train.user_vocabulary.encode(["new"])[0])
    tea, cup = split.train.item_vocabulary.encode(["tea", "cup"])
    assert split.known_before("validation").history(new).tolist() == [tea]
    assert split.known_before("test").history(new).tolist() == [tea]
    assert split.everything.history(new).tolist() == [tea, cup]
    assert split.everything_of(range(new, new + 1)).history(new).tolist() == [tea, cup]


def test_a_model_learns_nothing_from_a_history() -> None:
    without = tm.predefined_split(TRAIN, part(("a", "tea", 2)), histories=part(("new", "ink", 0)))
    learned = tm.Popularity().fit(without)
    assert learned.dataset.item_counts.tolist() == [2, 2, 2, 2]


def test_an_item_of_the_history_is_a_target_only_where_repeats_are() -> None:
    again = part(("new", "tea", 1), ("new", "cup", 2))
    split = tm.predefined_split(TRAIN, again, histories=HISTORIES)
    assert len(split.targets("test")) == 1
    assert any("1 of the 2 test interactions repeat" in note for note in split.notes)
    split = tm.predefined_split(TRAIN, again, histories=HISTORIES, repeats="keep")
    assert len(split.targets("test")) == 2


def test_repeats_of_a_history_stay_in_order() -> None:
    session = part(("new", "tea", 0), ("new", "cup", 1), ("new", "tea", 2))
    split = tm.predefined_split(TRAIN, part(("new", "cup", 3)), histories=session, repeats="keep")
    items = split.train.item_vocabulary.encode(["tea", "cup", "tea"])
    user = int(split.train.user_vocabulary.encode(["new"])[0])
    assert split.known_before("test").history(user).tolist() == items.tolist()


def test_a_held_out_user_without_any_history_is_refused() -> None:
    with pytest.raises(SplitError, match=r"first: user other.*histories=…"):
        tm.predefined_split(TRAIN, part(("other", "cup", 1)), histories=HISTORIES)


def test_histories_have_times_if_and_only_if_training_has() -> None:
    untimed = tm.read_interactions(pl.DataFrame({"user": ["new"], "item": ["tea"]}))
    with pytest.raises(SplitError, match="alone have times; give both of them, or neither"):
        tm.predefined_split(TRAIN, part(("new", "cup", 1)), histories=untimed)


def test_histories_are_kept_in_a_run(tmp_path: Path) -> None:
    split = split_of_new_users()
    tm.save_run(tmp_path / "run", tm.Popularity().fit(split))
    opened = tm.open_run(tmp_path / "run").split
    for held_out in ("test", "validation"):
        known = split.known_before(held_out)
        assert opened.known_before(held_out).fingerprint == known.fingerprint
    assert opened.everything.fingerprint == split.everything.fingerprint


def test_a_search_without_the_test_keeps_the_histories() -> None:
    split = split_of_new_users()
    known = without_test(split).known_before("validation")
    assert known.fingerprint == split.known_before("validation").fingerprint


def test_users_held_out_for_cold_start_have_no_history_left() -> None:
    cold = hold_out_users(split_of_new_users(), fraction=0.5)
    assert cold.split.histories is not None
    assert not np.isin(cold.split.histories.users, cold.unseen_users.users).any()


def test_a_network_chooses_its_epoch_by_users_outside_training() -> None:
    model = tm.SASRec(epochs=2, embedding_size=8, length=4).fit(split_of_new_users())
    assert model.log.best_epoch >= 1
