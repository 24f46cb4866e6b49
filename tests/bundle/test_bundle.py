"""Run folders: what is in them, what is refused, what survives."""

import json
from dataclasses import replace
from hashlib import sha256
from mmap import mmap
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.bundle.unfinished import can_resume, identity_of, training_folder
from tastemaker.data.catalog import Catalog
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.folders import MANIFEST
from tastemaker.testing.worlds import two_tastes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    split = tm.leave_one_out(two_tastes())
    model = tm.NCF(epochs=2, seed=4).fit(split)
    tm.save_run(tmp_path / "run", model, tm.evaluate(model, split))
    return tmp_path / "run"


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_holds_everything_and_opens_again(run: Path) -> None:
    opened = tm.open_run(run)
    assert opened.model.name == "ncf"
    assert opened.model.config == tm.NCF(epochs=2, seed=4).config
    assert opened.split.train.fingerprint == tm.leave_one_out(two_tastes()).train.fingerprint
    assert opened.evaluation == tm.evaluate(opened.model).to_dict(), "evaluated again, the same"
    assert opened.training is not None
    assert [record["epoch"] for record in opened.training["epochs"]] == [1, 2]
    assert {"tastemaker", "torch", "python"} <= opened.manifest["versions"].keys()
    assert opened.recommend([3], k=2).frame.height == 2
    assert opened.similar_items([3], k=2).frame.height == 2


def test_candidates_ratings_and_weights_survive(tmp_path: Path) -> None:
    def part(rows: list[tuple]) -> tm.Interactions:
        frame = pl.DataFrame(rows, schema=["user", "item", "time", "rating"], orient="row")
        return tm.read_interactions(frame, weight="rating")

    lists = pl.DataFrame({"user_id": [1], "item_id": [[30, 20]]})
    split = tm.predefined_split(
        part([(1, 10, 5, 2.5), (2, 20, 6, 4.0)]), part([(1, 30, 7, 1.0)]), candidates=lists
    )
    tm.save_run(tmp_path / "run", tm.Popularity().fit(split))
    opened = tm.open_run(tmp_path / "run").split
    assert opened.train.to_frame().equals(split.train.to_frame())
    assert opened.candidates is not None
    assert opened.candidates.items.tolist() == split.candidates.items.tolist()
    assert opened.test is not None
    assert opened.test.timestamps.tolist() == [7]


def test_a_run_of_format_1_opens_with_the_same_data(run: Path) -> None:
    """Format 1 kept the training data in one Parquet file."""
    opened = tm.open_run(run)
    columns = {path: np.load(path) for path in sorted(run.glob("train-*.npy"))}
    rows = {path.stem.removeprefix("train-"): column for path, column in columns.items()}
    pl.DataFrame(rows).write_parquet(run / "train.parquet")
    files = json.loads((run / MANIFEST).read_text())["files"]
    for path in columns:
        path.unlink()
        del files[path.name]
    files["train.parquet"] = {"sha256": sha256((run / "train.parquet").read_bytes()).hexdigest()}
    rewrite(run / MANIFEST, format=1, files=files)
    for memory_map in (False, True):
        old = tm.open_run(run, memory_map=memory_map)
        assert old.split.train.fingerprint == opened.split.train.fingerprint
        assert old.recommend(k=5).frame.equals(opened.recommend(k=5).frame)


def test_a_run_opened_by_memory_map_is_the_same_and_leaves_its_columns_on_disk(run: Path) -> None:
    opened, mapped = tm.open_run(run), tm.open_run(run, memory_map=True)
    assert mapped.recommend(k=5).frame.equals(opened.recommend(k=5).frame)
    assert mapped.split.train.fingerprint == opened.split.train.fingerprint

    def owner(array: np.ndarray) -> object:
        while isinstance(array.base, np.ndarray):
            array = array.base
        return array.base

    train = mapped.split.train
    assert train.timestamps is not None
    for column in (train.users, train.items, train.timestamps):
        assert isinstance(owner(column), mmap)
    assert owner(opened.split.train.items) is None


def test_training_data_opened_by_memory_map_are_read_once_to_verify_them(run: Path) -> None:
    path = run / "train-item.npy"
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"train-item.npy does not have the recorded checksum"):
        tm.open_run(run)
    with pytest.raises(ArtifactError, match="the data do not have the recorded fingerprint"):
        tm.open_run(run, memory_map=True)


def test_a_model_without_anything_held_out_can_be_kept(tmp_path: Path) -> None:
    tm.save_run(tmp_path / "run", tm.Popularity().fit(tm.no_holdout(two_tastes())))
    opened = tm.open_run(tmp_path / "run")
    assert (opened.evaluation, opened.split.test) == (None, None)
    assert len(opened.recommend([0], k=5)) == 5


def test_a_run_contains_no_pickle(run: Path) -> None:
    endings = {file.suffix for file in run.iterdir()}
    assert endings == {".json", ".npy", ".parquet", ".safetensors"}


def test_damaged_files_are_named(run: Path) -> None:
    weights = run / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"\x00" if whole[-1:] != b"\x00" else whole[:-1] + b"\x01")
    with pytest.raises(
        ArtifactError, match=r"weights.safetensors does not have the recorded checksum"
    ):
        tm.open_run(run)
    weights.unlink()
    with pytest.raises(ArtifactError, match=r"weights.safetensors is missing"):
        tm.open_run(run)
    (run / MANIFEST).write_text("{")
    with pytest.raises(ArtifactError, match="manifest.json is damaged"):
        tm.open_run(run)


def test_foreign_and_newer_folders_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no such folder"):
        tm.open_run(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"is not a run: it has no manifest.json"):
        tm.open_run(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="is a file, not the folder of a run"):
        tm.open_run(tmp_path / "file")
    for unknown in (99, "2.0", None, [1]):
        rewrite(run / MANIFEST, format=unknown)
        with pytest.raises(ArtifactError, match=r"in format .*; .* upgrade tastemaker"):
            tm.open_run(run)
    rewrite(run / MANIFEST, format=99, versions=None)
    with pytest.raises(ArtifactError, match="a later version of tastemaker in format 99"):
        tm.open_run(run)
    rewrite(run / MANIFEST, format=1, kind="cake")
    with pytest.raises(ArtifactError, match="is not a run"):
        tm.open_run(run)
    rewrite(run / MANIFEST, kind="run", files={"../secret": {"sha256": ""}})
    with pytest.raises(ArtifactError, match="names a file outside the folder"):
        tm.open_run(run)


def test_only_runs_are_replaced_and_the_former_one_is_kept(run: Path) -> None:
    before = (run / "weights.safetensors").read_bytes()
    kept = tm.save_run(run, tm.Popularity().fit(tm.no_holdout(two_tastes())))
    assert tm.open_run(run).model.name == "popularity"
    assert kept == run.with_name("run.previous")
    assert (kept / "weights.safetensors").read_bytes() == before
    thesis = run.with_name("thesis")
    thesis.mkdir()
    (thesis / "chapter1.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="is a folder, but not a run"):
        tm.save_run(thesis, tm.Popularity().fit(tm.no_holdout(two_tastes())))
    assert [file.name for file in thesis.iterdir()] == ["chapter1.txt"]


def test_a_run_whose_training_was_interrupted_is_replaced_and_not_kept(tmp_path: Path) -> None:
    model = tm.Popularity().fit(tm.no_holdout(two_tastes()))
    (tmp_path / "run").mkdir()  # an empty folder is no previous run
    model.log.interrupted = True
    assert tm.save_run(tmp_path / "run", model) is None
    model.log.interrupted = False
    assert tm.save_run(tmp_path / "run", model) is None
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]
    assert tm.save_run(tmp_path / "run", model) == tmp_path / "run.previous"


def test_folders_that_are_not_runs_are_never_removed(run: Path) -> None:
    model = tm.Popularity().fit(tm.no_holdout(two_tastes()))
    for name in ("run.previous", "other.partial"):
        folder = run.with_name(name)
        folder.mkdir()
        (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="run.previous is a folder, but not a run"):
        tm.save_run(run, model)
    with pytest.raises(ArtifactError, match="other.partial exists already"):
        with training_folder(run.with_name("other"), {"model": "ncf"}):
            pass
    for name in ("run.previous", "other.partial"):
        assert (run.with_name(name) / "thesis.txt").exists()


def test_two_trainings_do_not_write_to_one_place(tmp_path: Path) -> None:
    with training_folder(tmp_path / "run", {"model": "ncf"}):
        with pytest.raises(ArtifactError, match="another process is writing to this folder"):
            with training_folder(tmp_path / "run", {"model": "ncf"}):
                pass
        with training_folder(tmp_path / "other", {"model": "ncf"}):
            pass


def test_a_folder_with_brackets_in_its_name_is_a_folder_like_any(run: Path) -> None:
    bracketed = run.with_name("a[1]")
    tm.save_run(bracketed, tm.open_run(run).model)
    assert len(tm.open_run(bracketed).recommend([1], k=3)) == 3


def test_a_save_that_fails_leaves_what_was_there(run: Path, monkeypatch) -> None:
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    model = tm.open_run(run).model

    def full_disk() -> dict[str, torch.Tensor]:
        raise OSError("No space left on device")

    monkeypatch.setattr(model, "state", full_disk)
    with pytest.raises(OSError, match="No space left"):
        tm.save_run(run, model)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_an_unfinished_run_is_kept_and_resumed_only_with_the_same_settings(tmp_path: Path) -> None:
    path, identity = tmp_path / "run", {"model": "ncf", "config": {"epochs": 3, "hidden": (8,)}}
    with (
        pytest.raises(ArtifactError, match="nothing to resume"),
        training_folder(path, identity, resume=True),
    ):
        pass
    with pytest.raises(ZeroDivisionError), training_folder(path, identity) as folder:
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "last.safetensors").touch()
        raise ZeroDivisionError
    assert folder == tmp_path / "run.partial"
    with pytest.raises(
        ArtifactError, match="continue it with resume=True, or discard it with restart=True"
    ):
        with training_folder(path, identity):
            pass
    other = {"model": "ncf", "config": {"epochs": 5, "hidden": (8,)}}
    with pytest.raises(
        ArtifactError, match="started with config.epochs = 3, but config.epochs is now 5"
    ):
        with training_folder(path, other, resume=True):
            pass
    with training_folder(path, identity, resume=True) as folder:
        assert (folder / "checkpoints" / "last.safetensors").exists()
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), training_folder(path, identity) as folder:
        raise ZeroDivisionError
    assert not folder.exists(), "without a checkpoint there is nothing worth keeping"


def test_a_run_that_is_opened_and_saved_again_keeps_its_log(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())
    model = tm.Blend(parts=("ease", "gmf"), gmf={"epochs": 2}).fit(split)
    tm.save_run(tmp_path / "one", model)
    opened = tm.open_run(tmp_path / "one").model
    tm.save_run(tmp_path / "other", opened)
    logs = [(tmp_path / name / "training.json").read_text() for name in ("one", "other")]
    assert logs[0] == logs[1]
    assert len(opened.log.parts["gmf"].records) == 2
    assert any("weights of the parts" in note for note in opened.log.notes)


def test_a_model_that_is_not_fitted_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not fitted"):
        tm.save_run(tmp_path / "run", tm.EASE())
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_not_blamed_on_the_run(run: Path) -> None:
    with pytest.raises(ConfigError, match='device "cuda" is not available here; available: cpu$'):
        tm.open_run(run, device="cuda")


def test_a_training_on_other_held_out_parts_or_categories_is_not_resumed(tmp_path: Path) -> None:
    split, model = tm.leave_one_out(two_tastes()), tm.GMF()
    with (
        pytest.raises(ZeroDivisionError),
        training_folder(tmp_path / "run", identity_of(model, split)) as folder,
    ):
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "last.safetensors").touch()
        raise ZeroDivisionError
    assert can_resume(tmp_path / "run", identity_of(model, split))
    exchanged = replace(split, validation=split.test, test=split.validation)
    frame = split.train.catalog.frame.with_columns(categories=pl.lit(["other"]))
    recategorised = split.train.with_catalog(Catalog(frame))
    for changed in (exchanged, replace(split, train=recategorised)):
        assert not can_resume(tmp_path / "run", identity_of(model, changed))
