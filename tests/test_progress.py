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
    "itemknn": lambda reports: _train(tm.ItemKNN, reports),
    "ease": lambda reports: _train(tm.EASE, reports),
    "a network": lambda reports: _train(tm.NCF, reports, epochs=2),
    "sampled ranking": lambda reports: tm.evaluate(MF, on_progress=reports),
    "full ranking by keys": lambda reports: tm.evaluate(
        MF, protocol=tm.FullRanking(), on_progress=reports
    ),
    "full ranking by scores": lambda reports: tm.evaluate(
        KNN, protocol=tm.FullRanking(), on_progress=reports
    ),
    "metrics of lists": lambda reports: tm.evaluate(MF, lists=True, on_progress=reports),
    "cold start": lambda reports: evaluate_cold_start(
        tm.Popularity().fit(COLD.split), COLD, on_progress=reports
    ),
    "recommending": lambda reports: MF.recommend(on_progress=reports),
    "similar items": lambda reports: MF.similar_items([0, 1, 2], on_progress=reports),
}


@pytest.mark.parametrize("work", LONG_WORK)
def test_long_work_reports_progress_from_zero_to_the_total(work: str) -> None:
    reports: list[Progress] = []
    LONG_WORK[work](reports.append)
    assert reports
    pieces: dict[tuple[str, int], list[Progress]] = {}
    for progress in reports:
        pieces.setdefault((progress.what, progress.epoch), []).append(progress)
    for (what, _), reports in pieces.items():
        assert reports[0].done == 0
        done = [report.done for report in reports]
        if what != "validating":  # the end of which is the end of the epoch
            assert done == sorted(done)
            assert done[-1] == reports[-1].total > 0


def test_building_an_index_reports_the_items_that_it_has() -> None:
    pytest.importorskip(faiss.__name__)
    reports: list[Progress] = []
    tm.ApproximateIndex.build(MF.item_keys, reports.append)
    assert [(progress.done, progress.total) for progress in reports] == [(0, 40), (40, 40)]


def test_reporting_progress_changes_no_result() -> None:
    silent = tm.evaluate(MF, protocol=tm.FullRanking())
    reported = tm.evaluate(MF, protocol=tm.FullRanking(), on_progress=lambda progress: None)
    assert reported.metrics == silent.metrics
    similar = MF.similar_items(list(range(40)), on_progress=lambda progress: None)
    assert similar.frame.equals(MF.similar_items(list(range(40))).frame)


def test_an_epoch_counts_its_batches_though_a_kernel_takes_many_at_once() -> None:
    reports: list[Progress] = []
    run = tm.TrainingRun(on_progress=reports.append)
    tm.NCF(epochs=1, batch_size=16).fit(SPLIT, run)
    assert reports[0].total == -(-len(SPLIT.train) // 16)


def test_the_halves_of_neumf_report_under_their_names() -> None:
    reports: list[Progress] = []
    half = {"epochs": 1}
    model = tm.NeuMF(epochs=1, gmf=half, mlp=half)
    model.fit(SPLIT, tm.TrainingRun(on_progress=reports.append))
    ends = [progress.what for progress in reports if progress.metrics]
    assert ends == ["training gmf", "training mlp", "training"]


def test_a_meter_reports_the_first_and_the_last_of_many_quick_steps_and_few_between() -> None:
    reports: list[Progress] = []
    meter = Meter(reports.append, "counting", 10_000)
    for _ in range(10_000):
        meter.advance()
    assert (reports[0].done, reports[-1].done) == (0, 10_000)
    assert len(reports) < 1_000
