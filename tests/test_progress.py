"""Progress: every long piece of work reports from its beginning to its end, and is not changed."""

from collections.abc import Callable

import pytest

import tastemaker as tm
from tastemaker.evaluation.cold_start import evaluate_cold_start, hold_out_users
from tastemaker.progress import Meter, OnProgress, Progress
from tastemaker.ranking.hnsw import faiss
from tastemaker.testing.worlds import two_tastes

SPLIT = tm.leave_one_out(two_tastes())
MF = tm.MF(epochs=2, embedding_size=4).fit(SPLIT)
KNN = tm.ItemKNN().fit(SPLIT)
COLD = hold_out_users(SPLIT)


def _train(model: type[tm.Recommender], on_progress: OnProgress, **settings: int) -> None:
    model(**settings).fit(SPLIT, tm.TrainingRun(on_progress=on_progress))


LONG_WORK: dict[str, Callable[[OnProgress], object]] = {
    "itemknn": lambda told: _train(tm.ItemKNN, told),
    "ease": lambda told: _train(tm.EASE, told),
    "a network": lambda told: _train(tm.NCF, told, epochs=2),
    "sampled ranking": lambda told: tm.evaluate(MF, on_progress=told),
    "full ranking by keys": lambda told: tm.evaluate(
        MF, protocol=tm.FullRanking(), on_progress=told
    ),
    "full ranking by scores": lambda told: tm.evaluate(
        KNN, protocol=tm.FullRanking(), on_progress=told
    ),
    "metrics of lists": lambda told: tm.evaluate(MF, lists=True, on_progress=told),
    "cold start": lambda told: evaluate_cold_start(
        tm.Popularity().fit(COLD.split), COLD, on_progress=told
    ),
    "recommending": lambda told: MF.recommend(on_progress=told),
    "similar items": lambda told: MF.similar_items([0, 1, 2], on_progress=told),
}


@pytest.mark.parametrize("work", LONG_WORK)
def test_long_work_reports_from_nothing_to_all(work: str) -> None:
    told: list[Progress] = []
    LONG_WORK[work](told.append)
    assert told
    pieces: dict[tuple[str, int], list[Progress]] = {}
    for progress in told:
        pieces.setdefault((progress.what, progress.epoch), []).append(progress)
    for (what, _), reports in pieces.items():
        assert reports[0].done == 0
        done = [report.done for report in reports]
        if what != "validating":  # the end of which is the end of the epoch
            assert done == sorted(done)
            assert done[-1] == reports[-1].total > 0


def test_building_an_index_reports_the_items_that_it_has() -> None:
    pytest.importorskip(faiss.__name__)
    told: list[Progress] = []
    tm.ApproximateIndex.build(MF.item_keys, told.append)
    assert [(progress.done, progress.total) for progress in told] == [(0, 40), (40, 40)]


def test_being_told_of_progress_changes_no_result() -> None:
    silent = tm.evaluate(MF, protocol=tm.FullRanking())
    told = tm.evaluate(MF, protocol=tm.FullRanking(), on_progress=lambda progress: None)
    assert told.metrics == silent.metrics
    similar = MF.similar_items(list(range(40)), on_progress=lambda progress: None)
    assert similar.frame.equals(MF.similar_items(list(range(40))).frame)


def test_an_epoch_counts_its_batches_though_a_kernel_takes_many_at_once() -> None:
    told: list[Progress] = []
    run = tm.TrainingRun(on_progress=told.append)
    tm.NCF(epochs=1, batch_size=16).fit(SPLIT, run)
    assert told[0].total == -(-len(SPLIT.train) // 16)


def test_the_halves_of_neumf_report_under_their_names() -> None:
    told: list[Progress] = []
    half = {"epochs": 1}
    model = tm.NeuMF(epochs=1, gmf=half, mlp=half)
    model.fit(SPLIT, tm.TrainingRun(on_progress=told.append))
    ends = [progress.what for progress in told if progress.metrics]
    assert ends == ["training gmf", "training mlp", "training"]


def test_a_meter_reports_the_first_and_the_last_of_many_quick_steps_and_few_between() -> None:
    told: list[Progress] = []
    meter = Meter(told.append, "counting", 10_000)
    for _ in range(10_000):
        meter.advance()
    assert (told[0].done, told[-1].done) == (0, 10_000)
    assert len(told) < 1_000
