"""tm.tune: from Python what `tastemaker tune` does."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError
from tastemaker.experiments.trials import Trial
from tastemaker.experiments.tuning import TuningListener
from tastemaker.testing.worlds import two_tastes


@pytest.fixture(scope="module")
def split() -> Split:
    return tm.leave_one_out(two_tastes())


def test_the_best_settings_are_an_object_and_a_file(split: Split, tmp_path: Path) -> None:
    result = tm.tune("ease", split, tmp_path / "out", n_trials=3, metric="ndcg@5")
    assert len(result.trials) == 3
    assert result.best[0].value == max(trial.value or 0 for trial in result.trials)
    best = tomllib.loads(result.config_file.read_text())
    assert best["regularization"] == result.best[0].settings["regularization"]
    assert tm.EASE(**best).config.regularization == best["regularization"]
    assert len(pl.read_csv(tmp_path / "out" / "trials.csv")) == 3


def test_the_same_call_goes_on_where_the_first_ended(split: Split, tmp_path: Path) -> None:
    begun_counts: list[int] = []
    ended: list[int] = []
    listener = TuningListener(
        on_begin=lambda trials: begun_counts.append(len(trials)),
        on_trial=lambda trial: ended.append(trial.number),
    )

    def tuned(n_trials: int, restart: bool = False) -> list[Trial]:
        result = tm.tune(
            "ease", split, tmp_path / "out", n_trials=n_trials, restart=restart, listener=listener
        )
        return list(result.trials)

    first = tuned(2)
    assert tuned(4)[:2] == first
    assert (begun_counts, ended) == ([0, 2], [1, 2, 3, 4])
    assert len(tuned(1, restart=True)) == 1


def test_invalid_arguments_are_refused_before_any_file_is_written(
    split: Split, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match='metric="ndgc@10" is not .*; did you mean "ndcg"'):
        tm.tune("ease", split, tmp_path / "out", metric="ndgc@10")
    with pytest.raises(ConfigError, match="at least 1 trial is needed"):
        tm.tune("ease", split, tmp_path / "out", n_trials=0)
    assert not (tmp_path / "out").exists()
