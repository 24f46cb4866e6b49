"""A search whose trials several workers run together through one storage."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

import tastemaker as tm
from tastemaker.data.split import Split
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.experiments import heartbeat
from tastemaker.experiments.search import Search, search
from tastemaker.experiments.storages import opened, shared_storage
from tastemaker.experiments.study import BegunTrial, Study, open_study
from tastemaker.experiments.trials import Trial
from tastemaker.models.space import Float
from tastemaker.testing.worlds import two_tastes
from tests.serving.conftest import cluster_or_skip
from tests.serving.postgres import Cluster

SPACE = {"x": Float(0.0, 1.0)}


@pytest.fixture(scope="module")
def split() -> Split:
    return tm.leave_one_out(two_tastes())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    yield from cluster_or_skip()


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty storage of each kind."""
    if request.param == "journal":
        return str(tmp_path / "journal.log")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'trials.db'}"
    url = request.getfixturevalue("cluster").new_database()
    return url.replace("postgresql+psycopg:", "postgresql:")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.log")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial counts as its worker's last the second time that it is seen without a new beat."""
    monkeypatch.setattr(heartbeat, "SILENT_AFTER_S", 0.0)


def worker(storage: str) -> Any:
    return open_study(shared_storage(storage), {"model": "x"}, SPACE)


def finish(study: Study, begun: BegunTrial) -> float:
    """Runs a trial whose value is its setting."""
    chosen = []

    def run(settings: dict[str, Any], report: object) -> tuple[float, None]:
        chosen.append(settings["x"])
        return settings["x"], None

    assert study.run_trial(begun, begun.slot, 0, run) is None
    return chosen[0]


def values(trials: list[Trial]) -> dict[int, float | None]:
    return {trial.number: trial.value for trial in trials}


def test_workers_begin_no_more_trials_than_were_asked_for_and_each_is_another(storage: str) -> None:
    with worker(storage) as one, worker(storage) as other:
        begun = [study.begin(3) for study in (one, other, one)]
        assert [each and each.slot for each in begun] == [0, 1, 2]
        assert (one.begin(3), other.begin(3)) == (None, None)
        assert other.n_running() == 3
        expected = {
            each.slot + 1: finish(study, each)
            for each, study in zip(begun, (one, other, one), strict=True)
        }
        assert len(set(expected.values())) == 3
        assert values(one.trials()) == values(other.trials()) == expected
        assert other.begin(3) is None
        assert other.begin(4).slot == 3


def test_of_two_workers_that_take_the_last_place_at_the_same_moment_one_gives_way(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with worker(journal) as slow, worker(journal) as fast:
        ask, taken = optuna.Study.ask, []

        def ask_after_the_other(study: optuna.Study) -> Any:
            if not taken:
                taken.append(None)
                taken[0] = fast.begin(1)
            return ask(study)

        monkeypatch.setattr(optuna.Study, "ask", ask_after_the_other)
        assert slow.begin(1) is None
        assert taken[0].slot == 0
        finish(fast, taken[0])
        assert len(slow.trials()) == 1


def test_the_trial_of_a_worker_without_signs_of_life_is_repeated_with_its_settings(
    storage: str, impatient: None
) -> None:
    with worker(storage) as dead, worker(storage) as alive:
        begun = dead.begin(1)

        def give_up_and_repeat(settings: dict[str, Any], report: Any) -> tuple[float, None]:
            assert alive.begin(1) is None, "seen for the first time"
            repeated = alive.begin(1)
            assert repeated.slot == begun.slot
            assert finish(alive, repeated) == settings["x"]
            return -1.0, None

        assert dead.run_trial(begun, 0, 0, give_up_and_repeat) is None
        (trial,) = alive.trials()
        assert (trial.number, trial.value) == (1, trial.settings["x"]), "the late value is dropped"


def test_a_trial_with_signs_of_life_is_not_given_up(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.01)
    with worker(journal) as one, worker(journal) as other:

        def run(settings: dict[str, Any], report: Any) -> tuple[float, None]:
            for _ in range(3):
                seen = beats()
                while beats() == seen:
                    pass
                monkeypatch.setattr(heartbeat, "SILENT_AFTER_S", 0.0)
                assert other.begin(1) is None
                monkeypatch.setattr(heartbeat, "SILENT_AFTER_S", 60.0)
            return 1.0, None

        def beats() -> int:
            return Path(journal).read_text().count(heartbeat.BEATS)

        one.run_trial(one.begin(1), 0, 0, run)
        assert values(other.trials()) == {1: 1.0}


def test_a_trial_whose_worker_is_killed_again_and_again_has_failed(
    journal: str, impatient: None
) -> None:
    with worker(journal) as observer, ExitStack() as killed:
        for _ in range(3):
            assert killed.enter_context(worker(journal)).begin(1).slot == 0
            for _ in range(2):
                assert observer.begin(0) is None
        (trial,) = observer.trials()
        assert (trial.state, trial.error) == ("failed", "its worker was killed, 3 times in a row")
        assert observer.begin(1) is None


def test_a_worker_that_ends_early_gives_its_trial_back(storage: str) -> None:
    with worker(storage) as patient:
        with pytest.raises(KeyboardInterrupt):
            with worker(storage) as stopped:
                first = stopped.begin(1)
                raise KeyboardInterrupt
        again = patient.begin(1)
        assert again.slot == first.slot
        finish(patient, again)
        assert len(patient.trials()) == 1


def test_one_worker_with_a_storage_runs_the_trials_of_one_without(
    split: Split, journal: str, tmp_path: Path
) -> None:
    what = Search("ease", split, seed=4)
    plain = search(what, tmp_path, 11)
    shared = search(what, tmp_path, 11, storage=journal)
    assert [(t.value, t.settings) for t in shared] == [(t.value, t.settings) for t in plain]


def test_a_trial_can_be_repeated_from_its_record(
    split: Split, journal: str, tmp_path: Path
) -> None:
    fixed = {"epochs": 1, "batch_size": 64, "seed": 7}
    result = tm.tune("ncf", split, tmp_path / "out", n_trials=2, settings=fixed, storage=journal)
    trial = result.trials[1]
    assert trial.seed == 7
    assert trial.worker
    model = tm.NCF(**trial.settings, **fixed | {"seed": trial.seed}).fit(split)
    again = tm.evaluate(model, protocol=tm.FullRanking(), part="validation")
    assert again.metrics["ndcg@10"] == trial.value
    assert not (tmp_path / "out" / "study.db").exists()
    assert (tmp_path / "out" / "best.toml").exists()


def test_a_storage_of_another_search_is_refused(split: Split, journal: str, tmp_path: Path) -> None:
    search(Search("ease", split), tmp_path, 1, storage=journal)
    with pytest.raises(ArtifactError, match="metric ndcg@10, but.*choose another storage=…"):
        search(Search("ease", split, metric="mrr@5"), tmp_path, 1, storage=journal)


def test_a_file_of_something_else_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    for text in ("epochs = 3", '{"op_code": 3', "user,item\n1,2\n"):
        path = tmp_path / "mine"
        path.write_text(text)
        with pytest.raises(ConfigError, match=f"{path} is not a journal of trials; choose"):
            shared_storage(path)
        assert path.read_text() == text
    with pytest.raises(ArtifactError, match=f"{path} cannot be used: .*choose another storage=…"):
        with worker(f"sqlite:///{path}"):
            pass
    assert path.read_text() == text


def test_a_database_of_something_else_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "events.db")) as database:
        database.execute("CREATE TABLE events (user_id TEXT)")
    before = (tmp_path / "events.db").read_bytes()
    with pytest.raises(ConfigError, match="has other tables, such as events; name a database"):
        with worker(f"sqlite:///{tmp_path}/events.db"):
            pass
    assert (tmp_path / "events.db").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StorageInternalError("the disk is full\nline 2"), "the disk is full"),
        (OperationalError("SELECT 1", {}, TimeoutError()), "TimeoutError"),
        (OperationalError("SELECT 1", {}, OSError("no route")), "no route"),
    ],
)
def test_a_failure_of_the_storage_is_reported_in_one_line(
    journal: str, error: Exception, reason: str
) -> None:
    with pytest.raises(ArtifactError, match=f"failed: {reason}; no finished trial is lost"):
        with opened(shared_storage(journal)):
            raise error


def test_a_password_is_in_no_message(tmp_path: Path, split: Split) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/db?password=hidden"
    with pytest.raises(ArtifactError, match=r"me:\*\*\*@127.0.0.1:1/db cannot be used: ") as error:
        tm.tune("ease", split, tmp_path / "out", storage=url)
    assert not (tmp_path / "out").exists()
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)
    for wrong in ("postgress://me:secret@h/db", "postgresql://me:secret@h:port/db"):
        with pytest.raises(ConfigError, match="is not the URL of a database") as refused:
            tm.tune("ease", split, tmp_path / "out", storage=wrong)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("sqlite://", "in memory"),
        ("oracle://host/trials", "cannot be oracle; give a database of PostgreSQL or SQLite"),
        ("sqlite:///nowhere/trials.db", "the folder nowhere does not exist"),
        ("nowhere/journal.log", "nowhere does not exist"),
        (".", "is a folder"),
    ],
)
def test_a_storage_that_cannot_be_is_refused_before_anything_is_written(
    split: Split, tmp_path: Path, storage: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        tm.tune("ease", split, "out", storage=storage)
    with pytest.raises(ConfigError, match="choose another storage"):
        tm.tune("ease", split, "out", storage="journal.log", restart=True)
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_text_of_which_each_line_is_json(journal: str) -> None:
    with worker(journal) as study:
        finish(study, study.begin(1))
    assert all(json.loads(line) for line in Path(journal).read_text().splitlines())
