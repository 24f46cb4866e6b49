"""Shards of lists: what is written, what is computed again, and what is refused."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.bundle.bundle import Bundle
from tastemaker.data.recommendations import write_recommendations
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.testing.worlds import two_tastes

N_SHARDS = 7


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Two runs on the same split, by name."""
    folder = tmp_path_factory.mktemp("runs")
    split = tm.leave_one_out(two_tastes())
    for model in (tm.ItemKNN(), tm.Popularity()):
        tm.save_run(folder / model.name, model.fit(split))
    return {name: tm.open_run(folder / name) for name in ("itemknn", "popularity")}


@pytest.fixture
def run(runs: dict[str, Bundle]) -> Bundle:
    return runs["itemknn"]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_shards_together_are_the_lists_of_all_users(run: Bundle, tmp_path: Path) -> None:
    for shard in range(N_SHARDS, 0, -1):
        done = tm.recommend_shard(run, shard, N_SHARDS, tmp_path / "lists", k=3, because=1)
        assert not done.was_finished
    shards = tm.read_shards(tmp_path / "lists")
    assert (len(shards.finished), shards.missing, shards.damaged) == (N_SHARDS, (), ())
    assert max(record.n_users for record in shards.finished) == 9, "60 users in 7 shards"
    assert min(record.n_users for record in shards.finished) == 8
    expected = run.recommend(k=3, because=1)
    assert (shards.n_users, shards.n_rows) == (60, len(expected))
    shards.merge(tmp_path / "all.parquet")
    assert pl.read_parquet(tmp_path / "all.parquet").equals(expected.frame)
    assert pl.read_parquet(f"{tmp_path}/lists/*.parquet").equals(expected.frame)
    write_recommendations([expected], tmp_path / "expected.jsonl")
    shards.merge(tmp_path / "all.jsonl")
    assert (tmp_path / "all.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="a CSV file cannot hold the reasons"):
        shards.merge(tmp_path / "all.csv")
    with pytest.raises(ConfigError, match="would be among the shards"):
        shards.merge(tmp_path / "lists" / "all.parquet")


def test_more_shards_than_users_are_partly_empty(run: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    sizes = [tm.recommend_shard(run, n, 64, folder, because=1).n_users for n in range(1, 65)]
    assert sum(sizes) == 60
    assert set(sizes) == {0, 1}
    tm.read_shards(folder).merge(tmp_path / "all.parquet")
    merged = pl.read_parquet(tmp_path / "all.parquet")
    assert merged.equals(run.recommend(k=10, because=1).frame)


def test_a_finished_shard_is_kept_and_a_damaged_or_unfinished_one_is_made_again(
    run: Bundle, tmp_path: Path
) -> None:
    done = tm.recommend_shard(run, 1, 2, tmp_path)
    before = files_in(tmp_path)
    assert set(before) == {"shard-0001-of-0002.parquet", "shard-0001-of-0002.json"}
    modified_at = done.path.stat().st_mtime_ns
    assert tm.recommend_shard(run, 1, 2, tmp_path).was_finished
    assert done.path.stat().st_mtime_ns == modified_at
    record = done.path.with_suffix(".json")
    damages = {
        "a changed table": lambda: done.path.write_bytes(before[done.path.name][:-9]),
        "a changed record": lambda: record.write_text("{}"),
    }
    for damage, inflict in damages.items():
        inflict()
        assert tm.read_shards(tmp_path).damaged == (1,), damage
        assert not tm.recommend_shard(run, 1, 2, tmp_path).was_finished
        assert files_in(tmp_path) == before, damage
    record.unlink()
    assert tm.read_shards(tmp_path).missing == (1, 2)
    assert not tm.recommend_shard(run, 1, 2, tmp_path).was_finished
    assert files_in(tmp_path) == before


def test_missing_and_damaged_shards_are_not_merged(run: Bundle, tmp_path: Path) -> None:
    for shard in (2, 3, 4, 6):
        tm.recommend_shard(run, shard, N_SHARDS, tmp_path)
    (tmp_path / "shard-0003-of-0007.parquet").write_bytes(b"")
    shards = tm.read_shards(tmp_path)
    assert (shards.finished_numbers, shards.missing, shards.damaged) == ((2, 4, 6), (1, 5, 7), (3,))
    with pytest.raises(
        ArtifactError, match=r"3 of 7 shards are finished; .* others first: 1,3,5,7"
    ):
        shards.merge(tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()


def test_shards_of_other_lists_are_refused(runs: dict[str, Bundle], tmp_path: Path) -> None:
    run = runs["itemknn"]
    tm.recommend_shard(run, 1, 2, tmp_path)
    before = files_in(tmp_path)
    some = tm.Eligible(only=[1, 2, 3])
    for changed, reason in (
        ({"k": 5}, "k is 10 instead of 5"),
        ({"exclude_seen": False}, "exclude_seen is True instead of False"),
        ({"eligible": some}, "eligible is None instead of"),
        ({"diversity": 0.5}, r"diversity is 0.0 instead of 0.5"),
        ({"because": 1}, "because is 0 instead of 1"),
        ({"n_shards": 3}, "has files of 2 shards, not of 3"),
        ({"run": runs["popularity"]}, "model is itemknn instead of popularity"),
    ):
        arguments = {"run": run, "shard": 2, "n_shards": 2, "folder": tmp_path} | changed
        with pytest.raises(ArtifactError, match=reason):
            tm.recommend_shard(**arguments)
        assert files_in(tmp_path) == before
    tm.recommend_shard(run, 2, 2, tmp_path, eligible=tm.Eligible())
    record = tmp_path / "shard-0002-of-0002.json"
    changed = json.loads(record.read_text())
    changed["lists"]["run"] = "0" * 12
    record.write_text(json.dumps(changed))
    with pytest.raises(ArtifactError, match="shard of other lists"):
        tm.read_shards(tmp_path)


def test_a_finished_shard_of_other_lists_is_not_taken_for_one_of_these(
    run: Bundle, tmp_path: Path
) -> None:
    """As if two jobs had begun in the empty folder at the same time."""
    for k in (1, 2):
        done = tm.recommend_shard(run, k, 2, tmp_path / str(k), k=k)
        shutil.copytree(done.path.parent, tmp_path / "both", dirs_exist_ok=True)
    for shard, k in ((1, 2), (2, 1)):
        with pytest.raises(ArtifactError, match=r"shard of other lists \(k is"):
            tm.recommend_shard(run, shard, 2, tmp_path / "both", k=k)


def test_shards_that_cannot_be_are_refused(run: Bundle, tmp_path: Path) -> None:
    for shard, n_shards in ((0, 4), (5, 4), (-1, 4), (1, 0)):
        with pytest.raises(ConfigError, match="the first of 64 shards is 1/64"):
            tm.recommend_shard(run, shard, n_shards, tmp_path / "lists")
    with pytest.raises(ConfigError, match="k is 0"):
        tm.recommend_shard(run, 1, 4, tmp_path / "lists", k=0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is a file; shards are written to a folder"):
        tm.recommend_shard(run, 1, 4, tmp_path / "file")
    with pytest.raises(ArtifactError, match="has other files, such as file: write shards to a"):
        tm.recommend_shard(run, 1, 4, tmp_path)
    for folder, problem in {
        tmp_path: "has no shards", tmp_path / "nowhere": "is not there",
        tmp_path / "file": "is a file, not a folder",
    }.items():  # fmt: skip
        with pytest.raises(ArtifactError, match=problem):
            tm.read_shards(folder)
