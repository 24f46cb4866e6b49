"""A search: what it may see, what it remembers, when it gives up."""

import signal
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import tastemaker as tm
from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError, ConfigError, SplitError, UnsupportedError
from tastemaker.experiments.search import Search, search, space_of, without_test
from tastemaker.experiments.trials import Trial, best_first
from tastemaker.models.registry import BUILT_IN
from tastemaker.models.space import Choice, Float, Int
from tastemaker.progress import Progress
from tastemaker.testing.worlds import two_tastes


@pytest.fixture(scope="module")
def split() -> Split:
    return tm.leave_one_out(two_tastes())


def tried(trials: list[Trial]) -> list[tuple]:
    return [(t.number, t.state, t.value, t.settings) for t in trials]


class Fussy(tm.Popularity):
    """A model of this test's own, registered as a plug-in would be: it refuses what it is told."""

    name = "fussy"
    space: ClassVar = {"half_life_days": Float(1, 9)}

    def _fit(self, split: Split, run: tm.TrainingRun) -> None:
        Fussy.seen.append(split)
        if Fussy.refuses(self.config.half_life_days):
            raise ConfigError(f"fussy does not like this{Fussy.detail(self.config)}")
        super()._fit(split, run)

    seen: ClassVar[list[Split]] = []
    refuses: ClassVar = staticmethod(lambda value: True)
    detail: ClassVar = staticmethod(lambda config: "")


@pytest.fixture
def fussy(monkeypatch: pytest.MonkeyPatch) -> type[Fussy]:
    monkeypatch.setitem(BUILT_IN, "fussy", f"{__name__}:Fussy")
    return Fussy


def test_the_test_part_does_not_influence_the_search(split: Split, tmp_path: Path) -> None:
    scrambled = replace(
        split, test=replace(split.test, items=np.roll(split.test.items, 1)), candidates=None
    )
    values = []
    for name, each in (("one", split), ("other", scrambled)):
        (tmp_path / name).mkdir()
        values.append(tried(search(Search("ease", each), tmp_path / name, 3)))
    assert values[0] == values[1]
    visible = without_test(split)
    assert visible.test is None
    assert visible.not_evaluated is None
    assert visible.known_before("validation") is split.known_before("validation")
    assert visible.everything is not split.everything
    assert len(visible.everything) == len(split.train) + len(split.validation)


def test_a_model_under_trial_is_not_shown_the_test_part(
    split: Split, tmp_path: Path, fussy: type[Fussy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fussy, "refuses", staticmethod(lambda value: False))
    monkeypatch.setattr(fussy, "seen", [])
    search(Search("fussy", split), tmp_path, 2)
    assert [each.test for each in fussy.seen] == [None, None]
    assert all(each.validation is split.validation for each in fussy.seen)


def test_the_value_of_a_trial_is_its_metric_on_the_validation_part(
    split: Split, tmp_path: Path
) -> None:
    (trial,) = search(Search("ease", split), tmp_path, 1)
    model = tm.EASE(**trial.settings).fit(split)
    expected = tm.evaluate(model, protocol=tm.FullRanking(), part="validation")
    assert trial.value == expected.metrics["ndcg@10"]
    assert trial.state == "complete"


def test_one_seed_gives_the_same_trials_stopped_in_between_or_not(
    split: Split, tmp_path: Path
) -> None:
    for name in ("unbroken", "broken", "other"):
        (tmp_path / name).mkdir()
    what = Search("ease", split, seed=4)
    unbroken = search(what, tmp_path / "unbroken", 14)
    there: list[int] = []
    for n in (3, 11, 14):
        broken = search(
            what, tmp_path / "broken", n, on_begin=lambda trials: there.append(len(trials))
        )
    assert there == [0, 3, 11]
    assert tried(broken) == tried(unbroken)
    assert len({t.settings["regularization"] for t in unbroken}) == 14
    other = search(Search("ease", split, seed=5), tmp_path / "other", 1)
    assert tried(other) != tried(unbroken[:1])


def test_a_trial_interrupted_with_the_search_is_repeated(split: Split, tmp_path: Path) -> None:
    for name in ("unbroken", "stopped"):
        (tmp_path / name).mkdir()
    what = Search("ncf", split, fixed={"epochs": 2, "batch_size": 64})
    unbroken = search(what, tmp_path / "unbroken", 2)

    def stop(progress: Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    first = search(what, tmp_path / "stopped", 1)
    with pytest.raises(KeyboardInterrupt):
        search(what, tmp_path / "stopped", 2, on_progress=stop)
    assert tried(first) == tried(unbroken[:1])
    assert tried(search(what, tmp_path / "stopped", 2)) == tried(unbroken)


def test_a_trial_with_a_poor_metric_is_pruned_and_leaves_no_files(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    what = Search("ncf", split, fixed={"epochs": 10, "batch_size": 16})
    trials = search(what, tmp_path, 10)
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    assert all(3 <= trial.epochs < 10 for trial in pruned)
    assert all(trial.epochs == 10 for trial in trials if trial.state == "complete")
    assert not any(trial in best_first(trials) for trial in pruned)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("model", ["ease", "blend"])
def test_half_lives_are_searched_for_only_in_data_with_times(model: str, split: Split) -> None:
    def searched(split: Split) -> set[str]:
        space = Search(model, split, fixed={"parts": ["ease", "ials"]} if model == "blend" else {})
        return {name.rpartition(".")[2] for name in space.check()}

    untimed = replace(split, train=replace(split.train, timestamps=None))
    assert searched(split) - searched(untimed) == {"half_life_events"}
    fixed = {"regularization": 3.0, "neighbours": 5}
    assert set(Search("ease", split, fixed=fixed).check()) == {"half_life_events"}
    with pytest.raises(UnsupportedError, match="no settings are left to tune: without times"):
        Search("ease", untimed, fixed=fixed).check()


def test_fixed_settings_are_not_searched_for(split: Split, tmp_path: Path) -> None:
    assert "embedding_size" not in space_of("ncf", {"embedding_size": 4})
    with pytest.raises(
        UnsupportedError, match="no settings are left to tune: half_life_days of popularity"
    ):
        space_of("popularity", {"half_life_days": 3.0})
    with pytest.raises(UnsupportedError, match="random has no settings to tune.*ease"):
        space_of("random")
    with pytest.raises(ConfigError, match='did you mean "epochs"'):
        search(Search("ncf", split, fixed={"epocs": 3}), tmp_path, 1)


def test_without_a_validation_part_there_is_no_search(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes(), validation=False)
    with pytest.raises(SplitError, match="has no validation interactions"):
        search(Search("ease", split), tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "ncf"}, "model ease, but model is now ncf"),
        ({"metric": "mrr@5"}, "metric ndcg@10, but metric is now mrr@5"),
        ({"seed": 9}, "seed 0, but seed is now 9"),
        ({"split": tm.leave_one_out(two_tastes(seed=1))}, "data "),
        ({"protocol": tm.SampledRanking()}, "protocol full ranking"),
    ],
)
def test_a_study_of_something_else_is_refused(
    split: Split, tmp_path: Path, change: dict, named: str
) -> None:
    what = Search("ease", split)
    search(what, tmp_path, 1)
    with pytest.raises(ArtifactError, match=f"was started with {named}"):
        search(replace(what, **change), tmp_path, 2)


def test_a_file_that_is_no_study_is_refused(split: Split, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("Dear diary, " * 100)
    with pytest.raises(ArtifactError, match="is damaged; start again with restart=True"):
        search(Search("ease", split), tmp_path, 1)


def test_a_failed_trial_is_recorded_and_the_search_goes_on(
    split: Split, tmp_path: Path, fussy: type[Fussy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fussy, "refuses", staticmethod(lambda value: value < 5))
    trials = search(Search("fussy", split), tmp_path, 8)
    assert len(trials) == 8
    failed = [trial for trial in trials if trial.state == "failed"]
    assert failed
    assert len(failed) < 8
    assert {trial.error for trial in failed} == {"fussy does not like this"}
    assert all((trial.settings["half_life_days"] < 5) == (trial in failed) for trial in trials)


def test_the_same_error_three_times_at_the_beginning_ends_the_search(
    split: Split, tmp_path: Path, fussy: type[Fussy], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="fussy does not like this"):
        search(Search("fussy", split), tmp_path, 9)
    (tmp_path / "varied").mkdir()
    monkeypatch.setattr(fussy, "detail", staticmethod(lambda c: f": {c.half_life_days}"))
    assert len(search(Search("fussy", split), tmp_path / "varied", 5)) == 5


def test_no_trial_begins_after_the_time_is_up(split: Split, tmp_path: Path) -> None:
    assert len(search(Search("ease", split), tmp_path, 10_000, timeout_s=0.2)) < 10_000
    for n, timeout in ((0, None), (1, 0.0), (1, -3.0), (1, float("nan"))):
        with pytest.raises(ConfigError, match="n_trials=0|timeout_s="):
            search(Search("ease", split), tmp_path, n, timeout)


def test_every_space_holds_values_that_its_model_takes() -> None:
    for name in tm.model_names():
        kind = tm.model_class(name)
        for setting, span in kind.space.items():
            ends = span.values if isinstance(span, Choice) else (span.low, span.high)
            for value in ends:
                kind(**{setting: value})
            assert isinstance(span, Choice | Float | Int)


def test_the_search_prints_no_output(
    split: Split, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    search(Search("ncf", split, fixed={"epochs": 1}), tmp_path, 2)
    assert capfd.readouterr() == ("", "")


def test_a_mistake_in_an_own_module_is_not_reported_as_a_missing_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "tastemaker.experiments.search")
    monkeypatch.setitem(sys.modules, "tastemaker.experiments.study", None)
    with pytest.raises(ImportError, match=r"tastemaker\.experiments\.study"):
        import_module("tastemaker.experiments.search")


def test_fixed_settings_of_parts_may_be_nested(split: Split) -> None:
    parts = {"parts": ["ease", "itemknn"]}
    nested = Search("blend", split, fixed=parts | {"ease": {"regularization": 300.0}})
    dotted = Search("blend", split, fixed=parts | {"ease.regularization": 300.0})
    assert nested.fixed == dotted.fixed
    assert "ease.regularization" not in nested.check()
    blend = nested.configured({"itemknn.neighbours": 7})
    assert isinstance(blend, tm.Blend)
    assert blend.config.of_parts["ease"].model_dump()["regularization"] == 300.0


def test_the_metrics_of_a_part_prune_no_blend(split: Split, tmp_path: Path) -> None:
    fixed = {"parts": ["ease", "ncf"], "ncf": {"epochs": 8, "batch_size": 16}}
    trials = search(Search("blend", split, fixed=fixed), tmp_path, 10)
    assert {trial.state for trial in trials} == {"complete"}
