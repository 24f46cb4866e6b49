"""tastemaker recommend --shard and tastemaker shards: lists for all users in parts."""

from pathlib import Path

import pytest

import tastemaker as tm
from tests.cli.conftest import Terminal


@pytest.fixture(scope="module")
def run(clicks: Path) -> Path:
    path = clicks.with_name("ease")
    split = tm.leave_one_out(tm.read(clicks))
    tm.save_run(path, tm.EASE().fit(split))
    return path


def test_merged_shards_are_the_file_of_one_run(
    run: Path, tmp_path: Path, tastemaker: Terminal
) -> None:
    rules = ("-k", 3, "--never", "1,2", "--include-seen")
    folder = tmp_path / "lists"
    for number in (1, 3):
        made = tastemaker.json(
            "recommend", run, "--all", *rules, "--shard", f"{number}/3", "--out", folder
        )
        table = folder / f"shard-000{number}-of-0003.parquet"
        assert made == {
            "out": str(table), "n_users": 20, "n_rows": 60, "was_finished": False
        }  # fmt: skip
    status = tastemaker.json("shards", folder)
    assert (status["finished"], status["missing"], status["damaged"]) == ([1, 3], [2], [])
    assert (status["n_shards"], status["n_users"], status["n_rows"]) == (3, 40, 120)
    assert status["lists"]["run"] == tm.open_run(run).version
    table.write_bytes(b"")
    code, out, _ = tastemaker("shards", folder)
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["state", "shards", "numbers"], ["finished", "1", "1"], ["missing", "1", "2"],
        ["damaged", "1", "3"],
    ]  # fmt: skip
    code, _, err = tastemaker("shards", folder, "--merge", tmp_path / "merged.csv")
    assert code == 2
    assert "1 of 3 shards are finished; compute the others first: 2-3" in err
    for number in (1, 2, 3):
        shard = ("--shard", f"{number}/3", "--out", folder)
        code, _, err = tastemaker("recommend", run, "--all", *rules, *shard)
        assert code == 0
        assert ("shard 1/3 was finished before" in err) == (number == 1)
    for name in ("lists.csv", "lists.jsonl"):
        tastemaker.json("recommend", run, "--all", *rules, "--out", tmp_path / name)
        merged = tmp_path / f"merged-{name}"
        assert tastemaker.json("shards", folder, "--merge", merged)["out"] == str(merged)
        assert merged.read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--all", "--shard", "3"), '"3" is not a shard'),
        (("--all", "--shard", "0/4", "--out", "OUT"), "the first of 64 shards is 1/64"),
        (("--all", "--shard", "1/4"), "give --all, and a folder with --out"),
        (("--user", "3", "--shard", "1/4", "--out", "OUT"), "give --all, and a folder with --out"),
        (("--all", "--shard", "1/4", "--out", "OUT.csv"), "with --shard, give a folder, such as"),
    ],
)  # fmt: skip
def test_a_mistake_with_a_shard_ends_in_one_line(
    options: tuple, message: str, run: Path, tmp_path: Path, tastemaker: Terminal
) -> None:
    folder = str(tmp_path / "lists")
    typed = (option.replace("OUT", folder) for option in options)
    code, _, err = tastemaker("recommend", run, *typed)
    assert code == 2
    assert message in err
    assert err.strip().count("\n") == 0
    assert not (tmp_path / "lists").exists()
