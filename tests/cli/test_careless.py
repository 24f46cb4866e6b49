"""What careless people type: each time one clear line, exit code 2, nothing half-written."""

import sys
from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker.cli.main import main
from tastemaker.experiments.search import Search, search
from tastemaker.folders import claim
from tastemaker.testing.worlds import two_tastes

GOOD = "user,item,timestamp,rating\n" + "".join(
    f"{user},{item},{1_500_000_000 + 10 * item + user},{item % 5 + 1}\n"
    for user in range(8)
    for item in range(user % 2, 12, 2)
)

FILES = {
    "good.csv": GOOD,
    "empty.csv": "",
    "header_only.csv": "user,item,timestamp\n",
    "one_column.csv": "user\n1\n2\n",
    "no_item.csv": "user,colour\n1,red\n",
    "null_id.csv": "user,item\n1,2\n,3\n",
    "bad_time.csv": "user,item,timestamp\n1,2,1500000000\n1,3,yesterday\n",
    "ragged.csv": "user,item\n1,2\n1,2,3\n",
    "no_time.csv": "user,item\n1,2\n1,3\n2,2\n2,4\n",
    "negative.csv": "user,item,w\n1,2,-1\n1,3,2\n",
    "singles.csv": "user,item,timestamp\n1,2,5\n2,3,6\n",
    "headless.csv": "1,50,1500000000\n2,51,1500000001\n",
    "kinds.csv": "user,item,event\n1,2,like\n1,3,dislike\n2,2,like\n",
    "notes.docx": "PK\x03\x04diary",
    "not_toml.toml": "epochs: 3",
    "typo.toml": "epocs = 3",
    "fake.parquet": "user,item",
}

NOWHERE = "must-not-appear"

CASES = {
    "a data set's name misspelt": ("inspect ml-100kk", 'did you mean "ml-100k"'),
    "a file that is not there": ("inspect nowhere.csv", "there is no such file"),
    "an empty file": ("train empty.csv --out OUT", "the file is empty"),
    "a header and no rows": ("train header_only.csv --out OUT", "there are no rows"),
    "only one column": ("train one_column.csv --out OUT", "only one column"),
    "no column for the items": ("train no_item.csv --out OUT", "no column looks like the item"),
    "a column misspelt": ("train good.csv --user usr --out OUT", 'did you mean "user"'),
    "a missing id": ("train null_id.csv --out OUT", "line 3: the user id is missing"),
    "a time that is none": ("train bad_time.csv --out OUT", 'line 3: "yesterday" is not a time'),
    "a line with too many fields": ("train ragged.csv --out OUT", "line 3 has 3 value(s), but the first line has 2"),
    "a split by time without times": ("train no_time.csv --out OUT", "no time column"),
    "a negative weight": ("train negative.csv --weight w --out OUT", "line 2: -1 cannot be a weight"),
    "no user with two interactions": ("train singles.csv --out OUT", "nothing can be held out"),
    "no header": ("train headless.csv --out OUT", "give --no-header"),
    "an unsupported kind of file": ("train notes.docx --out OUT", "which cannot be read as a table"),
    "a text file called Parquet": ("train fake.parquet --out OUT", "not a readable Parquet file"),
    "a model misspelt": ("train good.csv --model nfc --out OUT", 'did you mean "ncf"'),
    "a setting misspelt": ("train good.csv --set epocs=3 --out OUT", 'did you mean "epochs"'),
    "a setting without a value": ("train good.csv --set epochs --out OUT", "write it as name=value"),
    "a setting of the wrong kind": ("train good.csv --set epochs=many --out OUT", "epochs is 'many'"),
    "a setting out of range": ("train good.csv --set epochs=-1 --out OUT", "greater than or equal"),
    "a config that is not there": ("train good.csv --config no.toml --out OUT", "cannot be read"),
    "a config that is no TOML": ("train good.csv --config not_toml.toml --out OUT", "is not TOML"),
    "a config with a typo": ("train good.csv --config typo.toml --out OUT", 'no setting "epocs"'),
    "weights that a model leaves out": ("train good.csv --weight rating --model random --strict --out OUT", "or leave out --strict"),
    "weights that a compared model leaves out": (
        "compare good.csv --weight rating --models ease,random --strict --out OUT",
        "random does not learn from weights: every interaction counts the same",
    ),
    "vectors without a table": ("train good.csv --vectors x.npy --out OUT", "give the table with --items"),
    "vectors that are no NumPy file": ("train good.csv --items good.csv --vectors good.csv --out OUT", "good.csv: is not a NumPy file of numbers"),
    "weights of kinds without a column of kinds": ("train good.csv --event-weights view=1 --out OUT", "name their column with --event"),
    "a weight of a kind without a number": ("train good.csv --event rating --event-weights view --out OUT", '"view" is not a kind with its weight'),
    "a number held out by another method": ("train good.csv --hold-out 3 --out OUT", "--hold-out has no effect with --split leave-one-out; leave it out, or give --split leave-k-out"),
    "a fraction held out by another method": ("train good.csv --test-fraction 0.3 --out OUT", "--test-fraction has no effect"),
    "an order where time alone counts": ("compare good.csv --split temporal --by random --out OUT", "--by has no effect with --split temporal"),
    "validation where nothing is held out": ("train good.csv --split none --no-validation --out OUT", "--[no-]validation has no effect"),
    "a method for a ready-made split": ("train --train good.csv --test good.csv --split temporal --out OUT", "--split does not apply to a ready-made split"),
    "a core for a ready-made split": ("train --train good.csv --test good.csv --k-core 3 --out OUT", "--k-core does not apply"),
    "sampled items where all are ranked": ("train good.csv --model popularity --protocol full --negatives 5 --out OUT", "--negatives is about sampled items, but the protocol is full"),
    "a seed of items that are not sampled": ("compare good.csv --models popularity --candidate-seed 5 --out OUT", "--candidate-seed is about sampled items"),
    "a core of none": ("inspect good.csv --k-core 0", "--k-core: k is 0; it must be 1 or more"),
    "an encoding that is none of text": ("inspect good.csv --encoding rot13", "--encoding rot13 is unknown"),
    "a path that is too long": (f"inspect {'x' * 300}", "cannot be the path of a file"),
    "a rating that is no number": ("inspect good.csv --min-rating nan", "--min-rating is nan; it must be a number"),
    "two weights of one kind": ("inspect good.csv --event rating --event-weights 1.0=2,1.0=3", 'gives "1.0" two weights'),
    "no weight at all": ("inspect good.csv --event rating --event-weights ,", "--event-weights names no kind"),
    "no target at all": ("train good.csv --event rating --targets , --out OUT", "--targets names no kind of event"),
    "a negative kind misspelt": ("inspect kinds.csv --event event --negative dislik", 'of --negative; did you mean "dislike"?'),
    "kinds without a weight": ("inspect good.csv --event rating --event-weights 1.0=2", "give one to each with --event-weights"),
    "a target that is no kind": ("train good.csv --event rating --targets purchase --out OUT", 'no event is of the kind "purchase" of --targets'),
    "a kind that says yes and no": ("train good.csv --event rating --event-weights 1.0=2 --negative 1.0 --out OUT", "cannot say no and also have a weight"),
    "a column with two roles": ("train good.csv --item item --event item --out OUT", "each needs its own column"),
    "a transformation of nothing": ("train good.csv --weight-transform sqrt --out OUT", "name it with --weight"),
    "an unknown transformation": ("train good.csv --weight rating --weight-transform log --out OUT", '"threshold:30"'),
    "an unknown way to merge repeats": ("train good.csv --repeats drop --out OUT", "Invalid value for '--repeats': 'drop' is not one of"),
    "nothing to train on": ("train --out OUT", "DATA is missing"),
    "half a ready-made split": ("train --train good.csv --out OUT", "needs both --train and --test"),
    "a leaking split": ("train --train good.csv --test good.csv --out OUT", "nothing is left to evaluate"),
    "data twice": ("train good.csv --train good.csv --test good.csv --out OUT", "not both"),
    "a minimum above every rating": ("train good.csv --min-rating 9 --out OUT", "no rating is 9 or above"),
    "a fraction that is a percentage": ("train good.csv --sample-users 30 --out OUT", "at most 1"),
    "a core too deep": ("train good.csv --k-core 99 --out OUT", "the 99-core is empty"),
    "a device that is not here": ("train good.csv --device mps --out OUT", "is not available here"),
    "a folder that is not a run": ("train good.csv --out thesis", "is a folder, but not a run"),
    "a file in the way": ("train good.csv --out good.csv", "is a file; give a folder"),
    "nothing to resume": ("train good.csv --resume --out OUT", "nothing to resume"),
    "a database without a query": ("inspect sqlite:///shop.db", "no such database file"),
    "a pattern that no file matches": ("inspect nowhere-*.csv", "no file matches it"),
    "a query of a file": ("inspect good.csv --query SELECT", "leave it out"),
    "a query of a ready-made split": (
        "train --train good.csv --test good.csv --query SELECT --out OUT", "--query does not apply",
    ),
    "a layout misspelt": ("inspect good.csv --layout gowala", 'did you mean "gowalla"'),
    "a decimal separator of no kind": ("inspect good.csv --decimal x", "--decimal"),
    "a query of no items": ("inspect good.csv --items-query SELECT", "give the table with --items"),
    "a database that is not there": (
        "train sqlite:///shop.db --query SELECT --out OUT", "no such database file",
    ),
    "a run that is not there": ("evaluate nowhere", "there is no such folder"),
    "a folder that is no run": ("recommend thesis --user 1", "is not a run"),
    "a damaged run": ("recommend damaged --user 1", "is damaged"),
    "an unknown user": ("recommend run --user 4711", "user 4711 is not in the data"),
    "a user that is no number": ("recommend run --user bob", "user bob is not in the data"),
    "an unknown item": ("recommend run --history 1,4711", "item 4711 is not in the data"),
    "a user beyond all numbers": ("recommend run --user 99999999999999999999", "not in the data"),
    "a user that only looks like a number": ("recommend run --user ²", "user ² is not in the data"),
    "a layer of no width": ("train good.csv --set hidden=[0] --out OUT", "hidden.0 is 0"),
    "items for data that bring their own": (
        "train synthetic --items good.csv --out OUT", "leave out --items",
    ),
    "untouched items of no table": (
        "train good.csv --untouched-items --out OUT", "no catalog that lists them",
    ),
    "two towers without categories": (
        "train good.csv --model two_tower --out OUT", "but the catalog has none",
    ),
    "a folder to write a list to": ("recommend run --all --out folder.csv", "is a folder"),
    "a place where nothing can be made": ("train good.csv --out /proc/no/run", "/proc/no"),
    "no users to recommend to": ("recommend run", "give exactly one of"),
    "no recommendations wanted": ("recommend run --user 1 -k 0", "at least 1"),
    "an unsupported kind of output": ("recommend run --all --out OUT.xlsx", '".xlsx" is not supported'),
    "an output in no folder": ("recommend run --all --out no/OUT.csv", "does not exist"),
    "candidates that were never given": ("evaluate run --protocol candidates", "no candidate lists"),
    "similarity from a model without": ("similar popular 1", "does not provide the similarity of items"),
    "an unknown model to compare": ("compare good.csv --models ease,nfc --out OUT", 'did you mean "ncf"'),
    "a model compared with itself": ("compare good.csv --models ncf,ncf --out OUT", "ncf is named twice"),
    "nothing to compare": ("compare good.csv --models , --out OUT", "name at least one model"),
    "a label that cannot be": ("compare good.csv --models ../x=ncf --out OUT", "cannot be a label"),
    "a comparison in a folder of other files": (
        "compare good.csv --models ease --out thesis", "is a folder, but not a comparison",
    ),
    "a comparison over a run": ("compare good.csv --out run", "is a folder, but not a comparison"),
    "a setting of a model that is not compared": (
        "compare good.csv --models ease --set ncf.epochs=3 --out OUT", '"ncf" is not one of the models',
    ),
    "a setting of no model": (
        "compare good.csv --models ncf --set epochs=3 --out OUT", "write it as MODEL.setting=value",
    ),
    "a compared model's setting misspelt": (
        "compare good.csv --models ncf --set ncf.epocs=3 --out OUT", 'did you mean "epochs"',
    ),
    "settings of no model in a file": (
        "compare good.csv --models ncf --config typo.toml --out OUT", "write it as MODEL=FILE.toml",
    ),
    "a metric misspelt": (
        "compare good.csv --models ease --metric ndgc@10 --out OUT", 'did you mean "ndcg@10"',
    ),
    "a metric at another length": (
        "compare good.csv --models ease -k 5 --metric ndcg@50 --out OUT", "is not measured",
    ),
    "a comparison without a test": (
        "compare good.csv --models ease --split none --out OUT", "has no test interactions",
    ),
    "a comparison by candidates that are not there": (
        "compare good.csv --models ease --protocol candidates --out OUT", "no candidate lists",
    ),
    "a model without a space": ("tune good.csv --model random --out OUT", "has no settings to tune"),
    "an unknown model to tune": ("tune good.csv --model nfc --out OUT", 'did you mean "ncf"'),
    "no trials": ("tune good.csv --model ease --trials 0 --out OUT", "--trials 0:"),
    "no time": ("tune good.csv --model ease --timeout 0 --out OUT", "--timeout 0:"),
    "a metric to tune misspelt": (
        "tune good.csv --model ease --metric ndgc@10 --out OUT", 'did you mean "ndcg"',
    ),
    "a metric to tune without a length": (
        "tune good.csv --model ease --metric ndcg --out OUT", "as in ndcg@10",
    ),
    "nothing to tune on": (
        "tune good.csv --model ease --no-validation --out OUT", "has no validation interactions",
    ),
    "nothing left to tune": (
        "tune good.csv --model ease --set regularization=3 --set neighbours=2 --set half_life_events=none --out OUT",
        "no settings are left to tune",
    ),
    "a search in a folder of other files": (
        "tune good.csv --model ease --out thesis", "is a folder, but not a search",
    ),
    "a storage of an unknown kind": (
        "tune good.csv --model ease --storage postgress://me:pw@host/db --out OUT", "--storage is not the URL of a database",
    ),
    "a storage in a folder that is not there": (
        "tune good.csv --model ease --storage nowhere/journal.log --out OUT", "does not exist; create it first",
    ),
    "a storage that is a table": (
        "tune good.csv --model ease --storage good.csv --out OUT", "is not a journal of trials; choose another --storage",
    ),
    "a shared storage to be discarded": (
        "tune good.csv --model ease --storage journal.log --restart --out OUT", "choose another storage",
    ),
    "a study of other data": ("tune good.csv --model ease --out study", "was started with data"),
    "a verb misspelt": ("trian good.csv", "train"),
    "an option misspelt": ("train good.csv --modle ncf --out OUT", "--model"),
    "a choice that is none": ("train good.csv --split halves --out OUT", "leave-one-out"),
    "a word for a number": ("train good.csv --sample-users some --out OUT", "sample-users"),
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder with good and bad files, a run, a damaged run and a folder of other files."""
    folder = tmp_path_factory.mktemp("desk")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "thesis").mkdir()
    (folder / "folder.csv").mkdir()
    (folder / "thesis" / "chapter1.txt").write_text("years of work")
    split = tm.leave_one_out(two_tastes())
    model = tm.NCF(epochs=1).fit(split)
    tm.save_run(folder / "run", model)
    tm.save_run(folder / "damaged", model)
    tm.save_run(folder / "popular", tm.Popularity().fit(split))
    (folder / "study").mkdir()
    claim(folder / "study", "search", {})
    search(Search("ease", split), folder / "study", 1)
    weights = folder / "damaged" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    return folder


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_ends_in_one_clear_line(
    case: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    typed, expected = CASES[case]
    monkeypatch.chdir(desk)
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk / "cache"))
    monkeypatch.setattr(sys, "argv", ["tastemaker", *typed.replace("OUT", NOWHERE).split()])
    before = everything_in(desk)
    with pytest.raises(SystemExit) as exit_:
        main()
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, err
    assert expected in errors[0]
    assert err.rstrip().endswith(errors[0]), "the error is the last line"
    assert "Traceback" not in err
    assert out == ""
    assert everything_in(desk) == before
    assert not list(desk.glob(f"*{NOWHERE}*")), "nothing half-written"
