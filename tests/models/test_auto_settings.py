"""The settings of sequence models that are found from the density of the data."""

from pathlib import Path

import pytest
import torch

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.testing.worlds import two_tastes

SPARSE = tm.no_holdout(two_tastes(n_users=60, n_items=40))  # 15 interactions for each item
DENSE = tm.no_holdout(two_tastes(n_users=400, n_items=40))  # 100


def sasrec(**settings: object) -> tm.SASRec:
    return tm.SASRec(epochs=1, layers=1, length=8, **settings)


@pytest.mark.parametrize(("split", "size", "dropout"), [(SPARSE, 64, 0.5), (DENSE, 128, 0.3)])
def test_dense_data_train_a_larger_network_with_less_dropout(
    split: tm.Split, size: int, dropout: float
) -> None:
    model = sasrec().fit(split)
    same = sasrec(embedding_size=size, dropout=dropout).fit(split)
    torch.testing.assert_close(model.item_keys, same.item_keys, rtol=0, atol=0)
    (note,) = model.log.notes
    by_density = "(auto, by the density of the data)"
    assert note == f"sasrec: embedding_size {size} {by_density}, dropout {dropout} {by_density}"
    assert same.log.notes == ()


def test_numbers_that_are_set_stay() -> None:
    model = sasrec(embedding_size=16).fit(DENSE)
    assert model.item_keys.shape == (40, 16)
    (note,) = model.log.notes
    assert "embedding_size" not in note
    assert "dropout 0.3" in note


def test_a_run_opens_with_the_size_it_was_trained_with(tmp_path: Path) -> None:
    model = sasrec().fit(DENSE)
    tm.save_run(tmp_path / "run", model)
    opened = tm.open_run(tmp_path / "run").model
    users = DENSE.train.user_vocabulary.ids[:5].to_list()
    torch.testing.assert_close(opened.score(opened.users(users)), model.score(model.users(users)))
    assert opened.config == model.config
    assert opened.trained_config == model.trained_config
    assert opened.trained_config.embedding_size == 128


def test_a_warm_start_keeps_the_size_though_the_data_have_grown_dense() -> None:
    earlier = sasrec().fit(SPARSE)
    model = sasrec().fit(DENSE, start_from=earlier)
    assert model.item_keys.shape[1] == earlier.item_keys.shape[1] == 64
    (note,) = model.log.notes
    assert "embedding_size 64 (auto, as in the earlier model), dropout 0.3 (auto, by the d" in note


def test_a_warm_start_from_a_size_that_heads_do_not_divide_is_refused() -> None:
    earlier = sasrec(embedding_size=50).fit(SPARSE)
    with pytest.raises(ConfigError, match="heads is 4, but it must divide .*, which is 50"):
        sasrec(heads=4).fit(SPARSE, start_from=earlier)


def test_a_part_of_a_blend_finds_its_own_numbers() -> None:
    own = {"epochs": 1, "layers": 1, "length": 8}
    model = tm.Blend(parts=("sasrec", "popularity"), sasrec=own).fit(DENSE)
    part = model.parts["sasrec"]
    assert isinstance(part, tm.SASRec)
    assert (part.trained_config.embedding_size, part.trained_config.dropout) == (128, 0.3)
    assert any("embedding_size 128" in note and "dropout 0.3" in note for note in model.log.notes)


@pytest.mark.parametrize("setting", [{"embedding_size": 0}, {"dropout": 1}, {"dropout": "some"}])
def test_other_values_are_refused_with_what_is_expected(setting: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="input should be a .*number from .*, or auto"):
        tm.SASRec(**setting)


def test_heads_must_divide_both_sizes_that_auto_can_stand_for() -> None:
    with pytest.raises(ConfigError, match=r"must divide embedding_size, which is 64 or 128 \(auto"):
        tm.SASRec(heads=3)
    tm.SASRec(heads=3, embedding_size=48)
