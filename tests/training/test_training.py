"""Training: loss, batches, checkpoints, resume, early stopping, interruption."""

import signal
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tastemaker as tm
from tastemaker.errors import ArtifactError, ConfigError, DataError
from tastemaker.progress import Progress
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.batches import PairBatches
from tastemaker.training.checkpoint import SafetensorsIO
from tastemaker.training.losses import bce
from tastemaker.training.run import TrainingRun, resolve_device

pytestmark = pytest.mark.usefixtures("without_gpu")

CPU = torch.device("cpu")


def test_bce_is_the_mean_negative_log_likelihood() -> None:
    scores = torch.tensor([[2.0, -1.0, 0.0], [0.0, 3.0, -50.0]])
    labels = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    probability = torch.sigmoid(scores.double())
    expected = -torch.where(labels == 1, probability.log(), (1 - probability).log())
    torch.testing.assert_close(bce(scores).double(), expected.mean())
    weighted = bce(scores, torch.tensor([1.0, 3.0])).double()
    torch.testing.assert_close(weighted, (expected * torch.tensor([[1.0], [3.0]])).mean())
    assert torch.isfinite(bce(torch.tensor([[-1e4, 1e4]])))


def batches_of(data: tm.Dataset, **changes: int) -> PairBatches:
    settings = {"batch_size": 16, "negatives": 4, "seed": 0} | changes
    return PairBatches(data, device=CPU, **settings)


def test_an_epoch_holds_every_positive_once_with_negatives_of_its_own_user() -> None:
    data = two_tastes()
    batches = batches_of(data)
    epoch = list(batches.epoch(0))
    assert len(epoch) == len(batches.epoch(0)) == -(-len(data) // 16)
    users = torch.cat([batch.users for batch in epoch])
    items = torch.cat([batch.items for batch in epoch])
    assert items.shape == (len(data), 5)
    pairs = sorted(zip(users.tolist(), items[:, 0].tolist(), strict=True))
    assert pairs == sorted(zip(data.users.tolist(), data.items.tolist(), strict=True))
    for user, row in zip(users.tolist(), items.tolist(), strict=True):
        assert set(data.history(user).tolist()).isdisjoint(row[1:])


def test_negatives_differ_between_epochs_and_repeat_with_the_same_seed() -> None:
    def whole(batches: PairBatches, number: int) -> torch.Tensor:
        return torch.cat([batch.items for batch in batches.epoch(number)])

    data = two_tastes()
    assert torch.equal(whole(batches_of(data), 3), whole(batches_of(data), 3))
    assert not torch.equal(whole(batches_of(data), 3), whole(batches_of(data), 4))
    assert not torch.equal(whole(batches_of(data), 3), whole(batches_of(data, seed=1), 3))


def test_the_held_out_item_may_be_a_negative() -> None:
    # Keeping it out of the negatives would tell the model where the test is.
    data = dataset_of({0: [0, 1, 2, 3], 1: [4, 5]})
    split = tm.leave_one_out(data, validation=False)
    batches = batches_of(split.train)
    negatives = [batch.items[batch.users == 0, 1:] for n in range(20) for batch in batches.epoch(n)]
    assert 3 in torch.cat(negatives)


def test_weights_relative_to_their_mean_come_with_their_positives() -> None:
    frame = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 3], "w": [0.5, 2.0, 3.5]})
    data = tm.read(frame, weight="w")
    batch = next(iter(batches_of(data).epoch(0)))
    assert batch.weights is not None
    weight_of = {(0, 0): 0.25, (0, 1): 1.0, (1, 2): 1.75}
    for user, item, weight in zip(
        batch.users.tolist(), batch.items[:, 0].tolist(), batch.weights.tolist(), strict=True
    ):
        assert weight_of[user, item] == weight


def test_users_who_touched_everything_are_left_out_and_all_of_them_refused() -> None:
    data = dataset_of({0: [0, 1, 2], 1: [0]})
    users = torch.cat([batch.users for batch in batches_of(data).epoch(0)])
    assert users.tolist() == [1]
    notes = tm.GMF(epochs=1).fit(tm.no_holdout(data)).log.notes
    assert any("1 users have interacted with every item" in note for note in notes)
    with pytest.raises(DataError, match="every user touched every item"):
        batches_of(dataset_of({0: [0, 1]}))


def test_a_loaded_checkpoint_equals_the_saved_one(tmp_path: Path) -> None:
    tree = {
        "epoch": 3,
        "nested": [{"a": None, 7: (1.5, "x", True)}, []],
        "tensors": {"w": torch.arange(6.0).reshape(2, 3), "scalar": torch.tensor(2)},
        "infinite": float("inf"),
    }
    io, path = SafetensorsIO(), tmp_path / "deep" / "last.safetensors"
    io.save_checkpoint(tree, path)
    loaded = io.load_checkpoint(path)
    assert {k: loaded[k] for k in ("epoch", "nested", "infinite")} == {
        k: tree[k] for k in ("epoch", "nested", "infinite")
    }
    assert torch.equal(loaded["tensors"]["w"], tree["tensors"]["w"])
    assert [file.name for file in path.parent.iterdir()] == ["last.safetensors"]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ArtifactError, match="not a readable checkpoint"):
        io.load_checkpoint(path)
    with pytest.raises(TypeError, match="not object"):
        io.save_checkpoint({"x": object()}, path)


def ncf(**changes: object) -> tm.NCF:
    return tm.NCF(**({"epochs": 6, "batch_size": 64, "seed": 1} | changes))


class Stop(Exception):  # noqa: N818
    """Stands for a kill: it comes from outside and nothing is cleaned up."""


def killed_after(epoch: int, folder: Path, split: tm.Split, **changes: object) -> None:
    def on_progress(progress: Progress) -> None:
        if progress.epoch > epoch:
            raise Stop

    with pytest.raises(Stop):
        ncf(**changes).fit(split, TrainingRun(folder=folder, on_progress=on_progress))


@pytest.mark.parametrize("killed_in", [1, 3, 5])
def test_a_resumed_run_ends_as_an_unbroken_one(tmp_path: Path, killed_in: int) -> None:
    split = tm.leave_one_out(two_tastes())
    unbroken = ncf().fit(split, TrainingRun(folder=tmp_path / "unbroken"))
    killed_after(killed_in, tmp_path / "killed", split)
    resumed = ncf().fit(split, TrainingRun(folder=tmp_path / "killed", resume=True))
    for name, tensor in unbroken.state().items():
        assert torch.equal(resumed.state()[name], tensor), name
    without_time = [{k: v for k, v in r.items() if k != "elapsed_s"} for r in unbroken.log.records]
    assert [
        {k: v for k, v in r.items() if k != "elapsed_s"} for r in resumed.log.records
    ] == without_time
    assert resumed.log.best_epoch == unbroken.log.best_epoch


def test_a_run_can_be_resumed_in_a_folder_that_was_moved(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())
    settings = {"epochs": 12, "learning_rate": 0.05}
    unbroken = ncf(**settings).fit(split)
    killed_after(10, tmp_path / "here", split, **settings)
    (tmp_path / "here").rename(tmp_path / "there")
    run = TrainingRun(folder=tmp_path / "there", resume=True)
    resumed = ncf(**settings).fit(split, run)
    assert unbroken.log.best_epoch < 10, "else this test shows nothing"
    assert resumed.log.best_epoch == unbroken.log.best_epoch
    assert torch.equal(resumed.item_vectors, unbroken.item_vectors)


def test_resuming_a_finished_training_changes_nothing(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())
    run = TrainingRun(folder=tmp_path)
    finished = ncf().fit(split, run)
    again = ncf().fit(split, TrainingRun(folder=tmp_path, resume=True))
    assert torch.equal(again.item_vectors, finished.item_vectors)
    assert len(again.log.records) == 6


def test_early_stopping_keeps_the_best_epoch_resumed_or_not(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())
    settings = {"epochs": 200, "patience": 3, "learning_rate": 0.05}
    stopped = ncf(**settings).fit(split, TrainingRun(folder=tmp_path / "a"))
    log = stopped.log
    assert len(log.records) == log.best_epoch + 3 < 200
    best = max(log.records, key=lambda record: record["validation_sampled_99_ndcg@10"])
    assert log.best_epoch == best["epoch"]
    resumed = ncf(**settings).fit(split, TrainingRun(folder=tmp_path / "a", resume=True))
    assert len(resumed.log.records) == len(log.records), "its patience was already at an end"
    assert torch.equal(resumed.item_vectors, stopped.item_vectors)
    kept = tm.evaluate(stopped, split, tm.SampledRanking(99, seed=0), part="validation")
    assert kept.metrics["ndcg@10"] == pytest.approx(best["validation_sampled_99_ndcg@10"], abs=1e-6)


def test_ctrl_c_keeps_the_finished_epochs(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())

    def on_progress(progress: Progress) -> None:
        if progress.metrics is not None and progress.epoch == 4:
            signal.raise_signal(signal.SIGINT)

    run = TrainingRun(folder=tmp_path, on_progress=on_progress)
    before = signal.getsignal(signal.SIGINT)
    model = ncf(epochs=50).fit(split, run)
    assert signal.getsignal(signal.SIGINT) is before
    assert model.log.interrupted
    assert len(model.log.records) == 4
    assert len(model.recommend([3], k=5)) == 5


def test_ctrl_c_in_the_first_epoch_leaves_no_model(tmp_path: Path) -> None:
    pressed = []

    def on_progress(progress: Progress) -> None:
        if not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)

    run = TrainingRun(folder=tmp_path, on_progress=on_progress)
    with pytest.raises(KeyboardInterrupt):
        ncf(batch_size=4).fit(tm.leave_one_out(two_tastes()), run)


def test_a_second_ctrl_c_ends_training_at_once(tmp_path: Path) -> None:
    def on_progress(progress: Progress) -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ncf().fit(tm.leave_one_out(two_tastes()), TrainingRun(on_progress=on_progress))
    assert signal.getsignal(signal.SIGINT) is before


def test_logs_are_left_as_csv_and_for_tensorboard(tmp_path: Path) -> None:
    model = ncf(epochs=3).fit(tm.leave_one_out(two_tastes()), TrainingRun(folder=tmp_path))
    table = pl.read_csv(tmp_path / "epochs.csv")
    measured = [f"validation_sampled_99_{name}" for name in ("hit_rate@10", "ndcg@10")]
    assert table.columns == ["epoch", "loss", *measured, "elapsed_s"]
    assert table["epoch"].to_list() == [1, 2, 3]
    assert table["loss"].to_list() == [record["loss"] for record in model.log.records]
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    logged = [event.value for event in events.Scalars("validation_sampled_99_ndcg@10")]
    assert logged == pytest.approx(table["validation_sampled_99_ndcg@10"].to_list())


def test_training_needs_no_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("tastemaker.training.fit")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    ncf(epochs=1).fit(tm.leave_one_out(two_tastes()), TrainingRun(folder=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"epochs.csv", "checkpoints"}


def test_training_that_diverges_or_lacks_a_validation_part_is_refused() -> None:
    data = two_tastes()
    with pytest.raises(
        ConfigError, match=r"diverged: the loss of epoch 1 is .*lower learning_rate"
    ):
        ncf(learning_rate=1e30).fit(tm.no_holdout(data))
    with pytest.raises(ConfigError, match="patience is 3, but the split has no validation part"):
        ncf(patience=3).fit(tm.leave_one_out(data, validation=False))


def test_sharing_the_users_half_gives_the_scores_of_the_plain_form() -> None:
    model = ncf(epochs=1).fit(tm.no_holdout(two_tastes()))
    state = {name: tensor.double() for name, tensor in model.state().items()}
    user, items = 5, torch.tensor([3, 30, 7])
    pairs = torch.cat(
        [state["users.weight"][user].expand(3, -1), state["items.weight"][items]], dim=1
    )
    first = torch.cat([state["first_user.weight"], state["first_item.weight"]], dim=1)
    hidden = torch.relu(pairs @ first.T + state["first_user.bias"])
    hidden = torch.relu(hidden @ state["tower.1.weight"].T + state["tower.1.bias"])
    expected = (hidden @ state["output.weight"].T + state["output.bias"])[:, 0]
    scores = model.score_candidates(model.users([user]), items[None])[0].double()
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-6)


def test_mistaken_settings_are_named_with_the_nearest_known() -> None:
    with pytest.raises(ConfigError, match='no setting "epoch"; did you mean "epochs"'):
        tm.NCF(epoch=3)
    with pytest.raises(ConfigError, match="epochs is 0, but input should be greater than or equal"):
        tm.NCF(epochs=0)
    with pytest.raises(ConfigError, match=r"takes a NCFConfig, not a dict; .* as in NCF\(seed=7\)"):
        tm.NCF({"epochs": 3})
    with pytest.raises(ConfigError, match="a config or single settings, not both"):
        tm.NCF(tm.NCF().config, epochs=3)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match='"cuda" is not available here; available:'):
            resolve_device("cuda")


def test_a_recommendation_from_a_history_is_close_to_that_of_the_trained_user(
    data_folder: Path,
) -> None:
    split = tm.leave_one_out(tm.load("ml-100k"))
    model = tm.NCF(epochs=10).fit(split)
    codes = np.arange(200)
    known = tm.UserBatch.known(split.train, codes)
    unseen_user = tm.UserBatch(np.full(200, -1), known.items, known.indptr)
    trained = model.recommend(known, k=50).frame["item_id"].to_numpy().reshape(200, 50)
    folded = model.recommend(unseen_user, k=50).frame["item_id"].to_numpy().reshape(200, 50)
    overlap = [len(set(a) & set(b)) / 50 for a, b in zip(trained, folded, strict=True)]
    assert np.mean(overlap) > 0.6, f"the lists share {np.mean(overlap):.0%}"


def test_a_folder_may_be_given_as_text(tmp_path: Path) -> None:
    assert TrainingRun(folder=str(tmp_path)).folder == tmp_path  # type: ignore[arg-type]


def test_a_resume_with_another_network_is_refused(tmp_path: Path) -> None:
    split = tm.no_holdout(two_tastes())
    tm.GMF(epochs=1, embedding_size=4).fit(split, TrainingRun(folder=tmp_path))
    with pytest.raises(ConfigError, match="has the checkpoint of another network; resume with the"):
        tm.GMF(epochs=2).fit(split, TrainingRun(folder=tmp_path, resume=True))


def test_a_resume_needs_a_folder() -> None:
    with pytest.raises(ConfigError, match="resume=True needs the folder"):
        TrainingRun(resume=True)
