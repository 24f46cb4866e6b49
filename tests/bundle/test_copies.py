"""What a program holds can be pickled, copied, and put away with joblib."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes

SPLIT = tm.leave_one_out(two_tastes(length=12))


def by_joblib(value: Any, folder: Path) -> Any:
    joblib.dump(value, folder / "value.joblib")
    return joblib.load(folder / "value.joblib")


WAYS: dict[str, Callable[[Any, Path], Any]] = {
    "pickle": lambda value, _: pickle.loads(pickle.dumps(value)),
    "deepcopy": lambda value, _: copy.deepcopy(value),
    "joblib": by_joblib,
}


@pytest.fixture(params=WAYS)
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Any], Any]:
    """Copies a value in each of the ways."""
    return lambda value: WAYS[request.param](value, tmp_path)


def test_a_dataset_is_the_same_and_still_frozen(copied: Callable[[Any], Any]) -> None:
    data = SPLIT.train
    copy = copied(data)
    assert copy.fingerprint == data.fingerprint
    assert copy.to_frame().equals(data.to_frame())
    with pytest.raises(ValueError, match="read-only"):
        copy.items[0] = 1


def test_a_split_holds_out_the_same(copied: Callable[[Any], Any]) -> None:
    copy = copied(SPLIT)
    assert repr(copy) == repr(SPLIT)
    for part in ("test", "validation"):
        assert np.array_equal(copy.targets(part).items, SPLIT.targets(part).items)


def test_an_evaluation_has_the_same_figures(copied: Callable[[Any], Any]) -> None:
    model = tm.EASE(regularization=1.0).fit(SPLIT)
    evaluation = tm.evaluate(model, SPLIT, tm.FullRanking(), k=[5])
    copy = copied(evaluation)
    assert copy.to_dict() == evaluation.to_dict()
    assert str(copy) == str(evaluation)


def test_a_model_gives_the_same_lists(copied: Callable[[Any], Any]) -> None:
    model = tm.MF(epochs=2, embedding_size=8).fit(SPLIT)
    grown = model.unseen_users([[1, 2, 3]])
    assert torch.equal(copied(model).score(grown), model.score(grown))


def test_an_opened_run_gives_the_same_lists_with_its_index(
    copied: Callable[[Any], Any], tmp_path: Path
) -> None:
    tm.save_run(tmp_path / "run", tm.MF(epochs=2, embedding_size=8).fit(SPLIT))
    bundle = tm.open_run(tmp_path / "run")
    bundle.make_index()
    found = bundle.recommend([1, 2], approximate=True).frame
    assert copied(bundle).recommend([1, 2], approximate=True).frame.equals(found)
