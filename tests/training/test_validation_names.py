"""What is measured after an epoch cannot be taken for what an evaluation measures."""

from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker.reports.curves import curves
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.validation import epoch_line
from tests.cli.conftest import Terminal, clicks, tastemaker  # noqa: F401

WAYS = [
    (tm.NCF(epochs=2, batch_size=64), "validation_sampled_99_", "validation, 99 sampled"),
    (tm.GRU4Rec(epochs=2, loss="softmax"), "validation_", "validation, full ranking"),
]


@pytest.mark.parametrize(("model", "prefix", "words"), WAYS)
def test_epochs_name_their_metrics_by_how_items_were_ranked(
    model: tm.Recommender, prefix: str, words: str
) -> None:
    split = tm.leave_one_out(two_tastes())
    log = model.fit(split).log
    measured = [name for name in log.records[0] if "@" in name]
    assert measured == [f"{prefix}hit_rate@10", f"{prefix}ndcg@10"]
    result = tm.evaluate(model, split, tm.FullRanking())
    assert not set(measured) & result.metrics.keys()
    line = epoch_line({"loss": 0.5, **dict.fromkeys(measured, 0.25)})
    assert line == f"loss 0.5000  {words}: hit_rate@10 0.2500  ndcg@10 0.2500"
    (curve,) = curves({model.name: log}, "ndcg@10")
    assert curve.caption.startswith(f"NDCG@10 ({words}); kept epoch")


def test_the_command_line_says_what_an_epoch_measured(
    tastemaker: Terminal,  # noqa: F811
    clicks: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    _, _, err = tastemaker("train", clicks, "--set", "epochs=2", "--out", tmp_path / "run")
    lines = [line for line in err.splitlines() if "loss " in line]
    assert len(lines) == 2
    assert all("validation, 99 sampled: hit_rate@10 0." in line for line in lines)


def test_without_a_validation_part_an_epoch_has_its_loss_alone() -> None:
    model = tm.NCF(epochs=1, batch_size=64)
    model.fit(tm.leave_one_out(two_tastes(), validation=False))
    assert not [name for name in model.log.records[0] if "@" in name]
