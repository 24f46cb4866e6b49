"""The documentation says what the code does: read both and compare; run the code that it shows."""

import importlib.util
import re
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

import tastemaker as tm
from tastemaker.cli.main import app
from tastemaker.data.sources import NAMES
from tastemaker.metrics.accuracy import ACCURACY

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EVERY_PAGE = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *DOCS.rglob("*.md"),
    ROOT / "deploy" / "README.md",
]
GUIDES = DOCS / "guides"


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def reference_pages() -> dict:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES


def test_the_generated_pages_are_up_to_date() -> None:
    for page, make in reference_pages().items():
        assert (DOCS / page).read_text() == make(), f"docs/{page} is out of date: run make docs"


def test_every_model_metric_and_data_set_has_its_row() -> None:
    models, evaluation = (DOCS / "models.md").read_text(), (DOCS / "evaluation.md").read_text()
    data = (DOCS / "data.md").read_text()
    assert all(f"| `{name}` |" in models for name in tm.model_names())
    assert all(f"| `{name}` |" in evaluation for name in ACCURACY)
    assert all(f"`{name}`" in data for name in NAMES)


def test_the_package_map_lists_exactly_the_existing_packages() -> None:
    package = ROOT / "src" / "tastemaker"
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    mapped = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    missing = [name for name in mapped if not (package / name).exists()]
    assert not missing, f"CONTRIBUTING.md maps what is not there: {missing}"
    there = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    there |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert there <= mapped, f"CONTRIBUTING.md does not map {sorted(there - mapped)}"


def test_the_page_on_releases_says_how_stable_each_module_is() -> None:
    table = (DOCS / "releasing.md").read_text().partition("| part |")[2].partition("\n\n")[0]
    named = {word.removeprefix("tastemaker.") for word in re.findall(r"`([a-z_.]+)`", table)}
    package = ROOT / "src" / "tastemaker"
    there = {path.stem for path in package.glob("[a-z]*.py")}
    there |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert there <= named, f"docs/releasing.md does not say: {sorted(there - named)}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_commands_that_are_shown_exist_with_their_options(page: Path) -> None:
    verbs = typer.main.get_command(app).commands
    shown = re.findall(r"tastemaker ([a-z]+)((?: [^\n`|]*)?)", "\n".join(
        [*code_blocks(page, "sh"), *re.findall(r"`(tastemaker [a-z]+[^`]*)`", page.read_text())]
    ))  # fmt: skip
    for verb, rest in shown:
        assert verb in verbs, f"{page.name} shows tastemaker {verb}"
        known = {option for p in verbs[verb].params for option in [*p.opts, *p.secondary_opts]}
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in known | {"--help"}, f"{page.name} shows tastemaker {verb} {option}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_python_that_is_shown_runs(
    page: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(code_blocks(ROOT / page, "python"))
    assert "tm.NCF" in code
    exec(compile(code, page, "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("guide", ["new-items-and-users", "paper", "your-csv"])
def test_the_python_of_a_guide_runs(
    guide: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files_of_guides()
    code = "\n".join(code_blocks(GUIDES / f"{guide}.md", "python"))
    exec(compile(re.sub(r"(epochs|n_trials)=\d+", r"\1=1", code), guide, "exec"), {})


def write_files_of_guides() -> None:
    """The invented shop, and a published split with candidates, in the current folder."""
    assert CliRunner().invoke(app, ["shop", "shop"]).exit_code == 0
    films = tm.leave_one_out(tm.load("synthetic"), validation=False)
    users, items = films.train.user_vocabulary.ids, films.train.item_vocabulary.ids
    for name, part in {"train": films.train, "test": films.test}.items():
        columns = {"user_id": users[part.users], "item_id": items[part.items]}
        pl.DataFrame(columns).write_parquet(f"{name}.parquet")
    candidates = {"user_id": users, "item_id": [items[:9].to_list()] * len(users)}
    pl.DataFrame(candidates).write_parquet("negatives.parquet")


@pytest.mark.parametrize("page", ["README.md", "docs/serving.md", "docs/guides/behind-an-api.md"])
def test_ids_in_examples_of_requests_are_in_the_data_of_the_demo(page: str) -> None:
    text = (ROOT / page).read_text()
    data = tm.load("synthetic")
    pairs = re.findall(r'"user_id": (\d+), "item_id": (\d+)', text)
    assert pairs
    for user, item in pairs:
        assert data.user_vocabulary.code_of(int(user)) >= 0
        assert data.item_vocabulary.code_of(int(item)) >= 0
    for history in re.findall(r'"history": \[([\d, ]+)\]', text):
        data.item_vocabulary.encode([int(item) for item in history.split(",")])
