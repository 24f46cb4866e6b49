"""tastemaker prepare: a folder that every verb takes in place of a file."""

from pathlib import Path

import pytest

import tastemaker as tm


@pytest.fixture
def prepared(tastemaker, clicks: Path, tmp_path: Path) -> Path:
    code, out, err = tastemaker("prepare", clicks, "--out", tmp_path / "big")
    assert code == 0, err
    assert out.startswith(f"{tmp_path / 'big'}: {len(tm.read(clicks)):,} interactions of ")
    assert "columns: user = user_id (guessed)" in err
    return tmp_path / "big"


def test_a_model_is_trained_and_compared_on_the_folder(
    tastemaker, prepared: Path, clicks: Path, tmp_path: Path
) -> None:
    how = ("--split", "leave-one-out", "--protocol", "full")
    trained = [
        tastemaker.json("train", data, "--model", "ease", "--out", tmp_path / f"run-{n}", *how)
        for n, data in enumerate((prepared, clicks))
    ]
    assert trained[0]["metrics"] == trained[1]["metrics"]


def test_inspect_describes_the_folder_and_finds_damage(
    tastemaker, prepared: Path, clicks: Path
) -> None:
    assert tastemaker.json("inspect", prepared) == tastemaker.json("inspect", clicks)
    content = bytearray((prepared / "timestamps.npy").read_bytes())
    content[-1] ^= 1
    (prepared / "timestamps.npy").write_bytes(content)
    code, _, err = tastemaker("inspect", prepared)
    assert code == 2
    assert "does not have the recorded fingerprint; prepare it again" in err


def test_json_is_one_object(tastemaker, clicks: Path, tmp_path: Path) -> None:
    result = tastemaker.json("prepare", clicks, "--out", tmp_path / "big")
    assert result["n_interactions"] == len(tm.read(clicks))
    assert result["fingerprint"] == tm.read(clicks).fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--items items.csv", "--items applies when the prepared data are read; leave it out here"),
        ("--feature price:number", "--feature applies when the prepared data are read"),
        ("--min-rating 3", "--min-rating applies when the prepared data are read"),
        ("--k-core 5", "--k-core selects a part of the data when they are used"),
        ("--memory 100MB", '--memory 100MB is too little; give at least "512MiB"'),
        ("--memory lots", '--memory lots is not an amount of memory, such as "8GiB"'),
        ("--user nobody", 'there is no column "nobody" for the user'),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    tastemaker, clicks: Path, tmp_path: Path, options: str, message: str
) -> None:
    code, out, err = tastemaker("prepare", clicks, "--out", tmp_path / "big", *options.split())
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_named_data_set_needs_no_preparation(tastemaker, tmp_path: Path) -> None:
    code, _, err = tastemaker("prepare", "ml-20m", "--out", tmp_path / "big")
    assert code == 2
    assert "ml-20m needs no preparation: give it to the other verbs as it is" in err


def test_an_option_of_preparing_is_refused_for_the_folder(tastemaker, prepared: Path) -> None:
    code, _, err = tastemaker("inspect", prepared, "--repeats", "keep")
    assert code == 2
    assert "was prepared already, so --repeats cannot change how it is read" in err
