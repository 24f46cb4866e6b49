"""The verbs, as a person or a script calls them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes
from tests.cli.conftest import Begin, Terminal


@pytest.fixture(scope="module")
def run(clicks: Path) -> Path:
    path = clicks.with_name("run")
    tm.save_run(path, tm.NCF(epochs=20, batch_size=64).fit(tm.leave_one_out(tm.read(clicks))))
    return path


def test_inspect_shows_the_card(tastemaker: Terminal, clicks: Path) -> None:
    code, out, _ = tastemaker("inspect", clicks)
    assert code == 0
    for expected in ("interactions", "600", "density", "25.0", "users by number", "█", "guessed"):
        assert expected in out
    card = tastemaker.json("inspect", clicks)
    assert (card["n_interactions"], card["n_users"], card["n_items"]) == (600, 60, 40)


def test_untouched_items_are_included_on_request(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    items = tmp_path / "items.csv"
    items.write_text("item_id,genre\n" + "".join(f"{item},pop\n" for item in range(45)))
    given = (clicks, "--items", items)
    assert tastemaker.json("inspect", *given)["n_items"] == 40
    assert tastemaker.json("inspect", *given, "--untouched-items")["n_items"] == 45
    part = ("--untouched-items", "--sample-users", 0.1, "--k-core", 1)
    card = tastemaker.json("inspect", *given, *part)
    assert (card["n_users"], card["n_items"]) == (6, 45)


def test_omitted_rows_and_unused_columns_are_shown(tastemaker: Terminal, tmp_path: Path) -> None:
    log, items = tmp_path / "log.csv", tmp_path / "items.csv"
    log.write_text("user,sku,price\n1,10,5\nNA,11,5\n2,B7,5\n")
    items.write_text("ref,sku,title\n10,x,Ten\nB7,y,Seven\n")
    given = (log, "--items", items, "--item-id", "ref")
    code, _, err = tastemaker("inspect", *given)
    assert code == 2
    assert "the user id is missing" in err
    card = tastemaker.json("inspect", *given, "--drop-missing")
    assert (card["n_missing"], card["n_interactions"]) == (1, 2)
    notes = "\n".join(card["notes"])
    for expected in (
        "1 of 3 rows are left out",
        "not used: price",
        "sku: not used (unique to each row)",
        "2 of 2 items",
    ):
        assert expected in notes
    assert tastemaker.json("inspect", *given, "--missing", "")["n_users"] == 3
    code, _, err = tastemaker("inspect", *given, "--drop-missing", "--ids", "integer")
    assert code == 2
    assert '"B7" is not a 64-bit whole number' in err


def test_rows_of_a_predefined_split_can_be_left_out_too(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    rows = "".join(f"u{user},{item}\n" for user in range(8) for item in range(user % 3, 9, 2))
    (tmp_path / "train.csv").write_text("user,item\n" + rows + "u1,\n")
    (tmp_path / "test.csv").write_text("user,item\nu0,1\nNA,3\nu1,B7\n")
    given = [f"--{part}={tmp_path / part}.csv" for part in ("train", "test")]
    command = ("train", *given, "--model", "popularity", "--out", tmp_path / "run")
    code, _, err = tastemaker(*command, "--drop-missing", "--ids", "text")
    assert code == 0
    assert "1 without the item id" in err
    assert "test: missing values: 1 of 3 rows are left out" in " ".join(err.split())
    code, _, err = tastemaker(*command, "--ids", "text")
    assert (code, "the item id is missing" in err) == (2, True)


def test_train_evaluate_and_the_same_again(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    command = ("train", clicks, "--set", "epochs=3", "--seed", 5, "--out", tmp_path / "run")
    first = tastemaker.json(*command)
    assert {"model", "dataset", "protocol", "n_users", "metrics", "baseline"} <= first.keys()
    assert first["n_users"] == 60
    assert {"hit_rate@10", "ndcg@10"} <= first["metrics"].keys()
    assert first["baseline"]["popularity"].keys() == first["metrics"].keys()
    code, again, err = tastemaker(*command, "--json")
    assert (code, json.loads(again)["metrics"]) == (0, first["metrics"])
    assert f"the previous run was moved to {tmp_path / 'run.previous'}" in err
    evaluated = tastemaker.json("evaluate", tmp_path / "run")
    assert evaluated["metrics"] == first["metrics"]
    full = tastemaker.json("evaluate", tmp_path / "run", "--protocol", "full", "-k", 5, "-k", 20)
    assert {"hit_rate@5", "ndcg@20"} <= full["metrics"].keys()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run.previous"}
    image = (tmp_path / "run" / "learning_curve.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    assert tm.open_run(tmp_path / "run").model.config.seed == 5


def test_the_table_says_where_the_model_is_worse_than_popularity(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    settings = ("--set", "epochs=1", "--set", "learning_rate=1e-9")
    code, out, err = tastemaker("train", "synthetic", *settings, "--out", tmp_path / "run")
    assert code == 0
    assert "popularity" in out
    assert "ncf is worse than popularity on" in out
    assert "Krichene and Rendle 2020" in err


def test_settings_come_from_a_file_and_are_overridden_by_set(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    config = tmp_path / "ncf.toml"
    config.write_text("epochs = 2\nhidden = [16, 8]\npatience = 9\n")
    out = tmp_path / "run"
    tastemaker.json("train", clicks, "--config", config, "--set", "epochs=1", "--set",
                    "patience=none", "--out", out)  # fmt: skip
    trained = tm.open_run(out).model.config
    assert (trained.epochs, trained.hidden, trained.patience) == (1, (16, 8), None)
    config.write_text("epochs = 1\nseed = 3\n")
    tastemaker.json("train", clicks, "--config", config, "--out", out)
    assert tm.open_run(out).model.config.seed == 3
    tastemaker.json(
        "train", clicks, "--config", config, "--seed", 8, "--set", "hidden=(12, 6)", "--out", out
    )
    assert tm.open_run(out).model.config.seed == 8
    assert tm.open_run(out).model.config.hidden == (12, 6)


def test_a_blend_is_trained_and_served_from_one_run_with_settings_of_its_parts(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, _, err = tastemaker(
        "train", clicks, "--model", "blend", "--set", "parts=ease,popularity", "--set",
        "ease.regularization=30", "--set", "weights=3,1", "--out", out,
    )  # fmt: skip
    assert code == 0
    assert "weights of the parts: ease 0.75, popularity 0.25 (as given)" in err
    blend = tm.open_run(out).model
    assert isinstance(blend, tm.Blend)
    assert blend.parts["ease"].config == tm.EASE(regularization=30).config
    lists = tastemaker.json("recommend", out, "--history", "1,2", "-k", 3)
    assert len(lists["recommendations"]) == 3
    code, _, err = tastemaker("train", clicks, "--model", "blend", "--set", "parts=ease")
    assert (code, "parts is 'ease'" in err) == (2, True)


def test_candidates_that_are_missing_are_asked_for_before_the_training(
    tastemaker: Terminal, clicks: Path, tmp_path: Path
) -> None:
    arguments = ("--model", "popularity", "--protocol", "candidates", "--out", tmp_path / "run")
    code, _, err = tastemaker("train", clicks, *arguments)
    assert code == 2
    assert "the split has no candidate lists; give --candidates" in err
    assert "training popularity" not in err


def test_a_predefined_split_is_used_as_it_is(tastemaker: Terminal, tmp_path: Path) -> None:
    pl.DataFrame({"user": [1, 1, 2], "item": [10, 20, 10]}).write_csv(tmp_path / "train.csv")
    pl.DataFrame({"user": [1, 2], "item": [30, 20]}).write_csv(tmp_path / "test.csv")
    pl.DataFrame({"user": [1, 2], "negatives": [[40], [30]]}).write_parquet(tmp_path / "c.parquet")
    result = tastemaker.json(
        "train", "--train", tmp_path / "train.csv", "--test", tmp_path / "test.csv",
        "--candidates", tmp_path / "c.parquet", "--model", "popularity", "--out", tmp_path / "run",
        "-k", 1,
    )  # fmt: skip
    assert result["metrics"]["hit_rate@1"] == 0.5, "30 ties with 40; 20 is more popular than 30"
    assert result["split"] == "given files"


def test_users_outside_training_have_their_histories_in_a_file(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    parts = {
        "--train": {"user": [1, 1, 2, 2, 3, 3], "item": [10, 20, 10, 20, 30, 40]},
        "--test": {"user": [4], "item": [20]},
        "--histories": {"user": [4], "item": [10]},
    }
    options = []
    for option, rows in parts.items():
        pl.DataFrame(rows).write_csv(tmp_path / f"{option}.csv")
        options += [option, tmp_path / f"{option}.csv"]
    result = tastemaker.json(
        "train", *options, "--model", "itemknn", "--out", tmp_path / "run", "--protocol", "full",
        "-k", 1,
    )  # fmt: skip
    assert result["metrics"]["hit_rate@1"] == 1
    code, _, error = tastemaker(
        "train", *options[:4], "--model", "itemknn", "--out", tmp_path / "other"
    )
    assert (code, "give what they did before with --histories" in error) == (2, True)


@pytest.mark.parametrize(
    "how",
    [
        ("--split", "temporal", "--test-fraction", "0.2"),
        ("--split", "leave-k-out", "--hold-out", "2"),
        ("--by", "random", "--no-validation"),
        ("--sample-users", "0.5"),
        ("--k-core", "3"),
    ],
)
def test_every_way_to_hold_out_and_to_sample_works(
    tastemaker: Terminal, clicks: Path, tmp_path: Path, how: tuple
) -> None:
    out = tmp_path / "run"
    result = tastemaker.json("train", clicks, "--model", "popularity", "--out", out, *how)
    assert result["n_users"] > 0


def test_data_without_times_can_be_trained_on_without_a_split_by_time(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    data = tmp_path / "likes.csv"
    two_tastes().to_frame().drop("timestamp").write_csv(data)
    code, _, err = tastemaker("train", data, "--model", "popularity", "--out", tmp_path / "run")
    assert (code, len(err.strip().splitlines()[-1:])) == (2, 1)
    assert "there is no time column" in err
    out = tastemaker.json(
        "train", data, "--model", "popularity", "--split", "none", "--out", tmp_path / "run"
    )
    assert out["out"] == str(tmp_path / "run")


def test_recommendations_for_users_for_histories_and_for_all_users(
    tastemaker: Terminal, run: Path, tmp_path: Path
) -> None:
    lists = tastemaker.json("recommend", run, "--user", 3, "--user", 4, "-k", 2)
    assert [row["user_id"] for row in lists["recommendations"]] == [3, 3, 4, 4]
    code, out, _ = tastemaker("recommend", run, "--history", "0, 1,2")
    assert code == 0
    assert len(out.strip().splitlines()) == 11
    (tmp_path / "who.txt").write_text("5\n6\n")
    recommended = tastemaker.json("recommend", run, "--users", tmp_path / "who.txt", "-k", 1)
    assert [row["user_id"] for row in recommended["recommendations"]] == [5, 6]
    tables = []
    for name in ("all.parquet", "all.csv", "all.jsonl"):
        written = tastemaker.json("recommend", run, "--all", "-k", 3, "--out", tmp_path / name)
        assert written == {"out": str(tmp_path / name), "n_users": 60, "n_rows": 180}
        read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}
        tables.append(
            read[name.split(".")[1]](tmp_path / name).select("user_id", "rank", "item_id")
        )
    assert tables[0].rows() == tables[1].rows() == tables[2].rows()
    expected = tm.open_run(run).recommend(k=3).frame.select("user_id", "rank", "item_id")
    assert tables[0].rows() == expected.rows()


def test_titles_are_printed_as_they_are(tastemaker: Terminal, clicks: Path, tmp_path: Path) -> None:
    titles = pl.DataFrame(
        {"item_id": range(40), "title": [f"Film [uncut] [/{i}]" for i in range(40)]}
    )
    titles.write_csv(tmp_path / "films.csv")
    out = tmp_path / "run"
    tastemaker.json(
        "train", clicks, "--items", tmp_path / "films.csv", "--set", "epochs=1", "--out", out
    )
    code, shown, _ = tastemaker("recommend", out, "--user", 3)
    assert code == 0
    assert shown.count("Film [uncut] [/") == 10


def test_similar_lists_neighbours(tastemaker: Terminal, run: Path) -> None:
    found = tastemaker.json("similar", run, 3, "-k", 4)["similar"]
    assert [row["rank"] for row in found] == [1, 2, 3, 4]
    assert all(row["item_id"] == 3 for row in found)


def test_models_lists_every_setting_with_its_help(tastemaker: Terminal) -> None:
    assert {row["model"] for row in tastemaker.json("models")["models"]} == set(tm.model_names())
    settings = tastemaker.json("models", "ncf")["settings"]
    assert {row["setting"] for row in settings} == set(tm.NCF.config_class.model_fields)
    assert all(row["what it does"] for row in settings)


def test_the_demo_runs_on_synthetic_data_and_names_it(
    tastemaker: Terminal, tmp_path: Path, own_cache: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = tastemaker("demo", "--data", "synthetic")
    assert code == 0
    for expected in ("synthetic (seed 0)", "ncf", "popularity", "latest items", "top 10 for user",
                     "learning_curve.png", "tastemaker recommend runs/demo"):  # fmt: skip
        assert expected in out, expected
    assert tm.open_run("runs/demo").model.name == "ncf"
    compared = json.loads(Path("runs/demo-comparison/leaderboard.json").read_text())
    reached = {each["name"]: each["metrics"]["ndcg@10"] for each in compared["models"]}
    assert max(reached.values()) > 2 * reached["popularity"]
    assert reached["ncf"] > 1.5 * reached["popularity"]


def test_the_tables_of_the_shop_are_written_and_can_be_trained_on(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    code, out, err = tastemaker("shop", folder, "--n-visitors", "60", "--n-products", "200")
    assert code == 0
    names = ("shop.csv", "products.parquet", "visitors.csv")
    assert out.split() == [str(folder / name) for name in names]
    assert "synthetic shop (seed 0)" in err
    code, _, err = tastemaker(
        "train", folder / "shop.csv", "--items", folder / "products.parquet", "--event", "event",
        "--targets", "purchase", "--negative", "return", "--model", "popularity",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    assert "title" in tm.open_run(tmp_path / "run").model.dataset.catalog.columns
    code, _, err = tastemaker("shop", folder, "--n-products", "20")
    assert code == 2
    assert "--n-products 200" in err


def test_the_help_has_examples_and_imports_no_heavy_package() -> None:
    script = (
        "import sys; from tastemaker.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'polars', 'lightning', 'numpy', 'ray'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    for verb in ([], ["train"], ["recommend"], ["tune"], ["compare"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *verb, "--help"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert (
            "tastemaker demo" in done.stdout or "xample" in done.stdout or "tutorial" in done.stdout
        )


def test_the_tutorials_model_beats_popularity_on_real_ratings(
    tastemaker: Terminal, tmp_path: Path, data_folder: Path
) -> None:
    trained = tastemaker.json("train", "ml-100k", "--model", "ncf", "--out", tmp_path / "run")
    evaluated = tastemaker.json("evaluate", tmp_path / "run")
    assert evaluated["n_users"] == 943
    for metric in ("hit_rate@10", "ndcg@10"):
        assert evaluated["metrics"][metric] > evaluated["baseline"]["popularity"][metric] + 0.05
        assert evaluated["metrics"][metric] == trained["metrics"][metric]


TRAINING = ("--set", "epochs=40", "--set", "batch_size=16", "--json", "--out")


@pytest.fixture(scope="module")
def unbroken(clicks: Path, begin: Begin) -> tuple[dict, bytes]:
    """What a training that was never stopped printed, and its weights."""
    out = clicks.with_name("unbroken")
    ended = begin("train", clicks, *TRAINING, out).ended()
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), (out / "weights.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_resumed_run_has_the_metrics_of_an_uninterrupted_one(
    clicks: Path, tmp_path: Path, begin: Begin, unbroken: tuple[dict, bytes], how: signal.Signals
) -> None:
    out, partial = tmp_path / "run", tmp_path / "run.partial"
    log = partial / "epochs.csv"
    stopped = begin("train", clicks, *TRAINING, out).stop(
        how, lambda: log.exists() and len(log.read_text().splitlines()) >= 6
    )
    expected = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
    assert stopped.returncode == expected[how]
    assert out.exists() == (how == signal.SIGINT), "a kill leaves nothing half-written"
    assert partial.exists()

    resumed = begin("train", clicks, *TRAINING, out, "--resume").ended()
    assert resumed.returncode == 0, resumed.stderr
    metrics, weights = unbroken[0]["metrics"], unbroken[1]
    assert json.loads(resumed.stdout)["metrics"] == metrics
    assert (out / "weights.safetensors").read_bytes() == weights
    assert not partial.exists()


def test_kinds_of_features_are_stated_as_options(tastemaker: Terminal, tmp_path: Path) -> None:
    log, items, users = (tmp_path / f"{name}.csv" for name in ("log", "items", "users"))
    log.write_text("user,sku\n1,a\n2,b\n2,a\n")
    items.write_text("sku,price\na,1\nb,2\n")
    users.write_text("who,age\n1,30\n2,40\n")
    given = (log, "--items", items, "--users", users, "--user-id", "who")
    stated = ("--feature", "price:category", "--user-feature", "age:none")
    notes = tastemaker.json("inspect", *given, *stated)["notes"]
    assert f"{items}: price: category (2 values)" in notes
    assert f"{users}: age: not used (user_features=… leaves it out)" in notes
    for options, message in (
        (("--feature", "price"), '--feature: "price" is not a column with its kind'),
        (("--feature", "price:nmber"), '--feature: "nmber" of column "price" is not a kind'),
        (("--feature", "prise:number"), '(--feature); did you mean "price"'),
    ):
        code, _, err = tastemaker("inspect", *given, *options)
        assert code == 2
        assert message in " ".join(err.split())
