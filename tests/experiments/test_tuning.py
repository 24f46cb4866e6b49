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


WITHOUT_WEIGHTS = """
import tastemaker as tm


class Unweighted(tm.EASE):
    name = "unweighted"
    uses_weights = False
"""


def test_strict_refuses_weights_before_the_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All built-in models with settings to tune learn from weights; this one is of a plug-in.
    (tmp_path / "unweighted.py").write_text(WITHOUT_WEIGHTS)
    package = tmp_path / "tastemaker_unweighted-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: unweighted\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[tastemaker.models]\nunweighted = unweighted:Unweighted\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    log = pl.DataFrame({"user": [1, 1, 1, 2, 2, 2], "item": [1, 2, 3, 1, 2, 3]})
    weighted = tm.leave_one_out(
        tm.read(log.with_columns(plays=pl.col("item") * 2), weight="plays"), by="input"
    )
    with pytest.raises(ConfigError, match=r"unweighted does not learn from weights.*strict=True"):
        tm.tune("unweighted", weighted, tmp_path / "out", n_trials=1, strict=True)
    assert not (tmp_path / "out").exists()
    tuned = tm.tune("ease", weighted, tmp_path / "out", n_trials=1, strict=True)
    assert tuned.best
