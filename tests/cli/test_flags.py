"""Errors and notes name Python arguments in Python, and flags on a command line."""

import ast
import re
from pathlib import Path

import pytest
import typer

import tastemaker as tm
from tastemaker.cli.flags import Verb, in_flags
from tastemaker.cli.main import app
from tastemaker.errors import DataError
from tests.cli.conftest import Terminal

PACKAGE = Path(tm.__file__).parent

SHELL_COMMANDS = (
    "tastemaker keys add",
    "tastemaker compare",
    "tastemaker recommend",
    "--from-events",
    "ray start",
)
"""What shows a whole command to type, or is read over HTTP by whoever trained on a shell."""


@pytest.fixture(params=["train", "compare", "similar"])
def verb(request: pytest.FixtureRequest) -> Verb:
    """One of the real verbs, as if it were running."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    command = commands[request.param]
    assert isinstance(command, Verb)
    command.callback, before = (lambda **_: None), command.callback
    with command.make_context(request.param, [], resilient_parsing=True) as context:
        command.invoke(context)
    command.callback = before
    return command


@pytest.mark.parametrize("verb", ["train"], indirect=True)
@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("name it with user=…", "name it with --user"),
        ("say has_header=False and go on", "say --no-header and go on"),
        ("leave out validation=False", "leave out --no-validation"),
        ("restart=True discards it", "--restart discards it"),
        ('by="input" or no_holdout()', "--by input or --split none"),
        ('time_format="%d.%m %H:%M"', '--time-format "%d.%m %H:%M"'),
        ("give one (catalog=…)", "give one (--items)"),
        ("rank with SampledRanking()", "rank with --protocol sampled"),
        ("with k_core(), or min_rating=3.5.", "with --k-core, or --min-rating 3.5."),
        ("a lower learning_rate=… (now 1e-05)", "a lower --set learning_rate=… (now 1e-05)"),
        ("epochs=20, gmf.epochs=3", "--set epochs=20, --set gmf.epochs=3"),
        ('row 3: "user=…" is no id', 'row 3: "user=…" is no id'),
        ("http://shop/?user=5&epochs=3", "http://shop/?user=5&epochs=3"),
        ("no_such_thing=3 and n_jobs=…", "no_such_thing=3 and n_jobs=…"),
    ],
)
def test_arguments_in_messages_become_flags_of_the_running_command(
    verb: Verb, python: str, shell: str
) -> None:
    assert in_flags(python) == shell


@pytest.mark.parametrize("verb", ["compare"], indirect=True)
def test_a_setting_of_compared_models_is_written_with_its_model(verb: Verb) -> None:
    assert in_flags("a lower learning_rate=…") == "a lower --set MODEL.learning_rate=…"


@pytest.mark.parametrize("verb", ["similar"], indirect=True)
def test_an_argument_without_an_option_stays_as_it_is(verb: Verb) -> None:
    assert in_flags("name it with time=…, with_titles=True") == (
        "name it with time=…, with_titles=True"
    )


def test_messages_name_arguments_in_python_and_flags_in_a_shell(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("who,what\n1,2\n1,3\n")
    with pytest.raises(DataError, match="name them with user=… and item=…"):
        tm.read(path)
    code, _, err = tastemaker("train", path, "--out", tmp_path / "run")
    assert code == 2
    assert "name them with --user and --item" in err
    path.write_text("user,item\n1,2\n1,3\n")
    with pytest.raises(tm.TastemakerError, match=r'time=…, hold out with by="input"'):
        tm.leave_one_out(tm.read(path))
    code, _, err = tastemaker("train", path, "--out", tmp_path / "run")
    assert code == 2
    assert (
        "with --time, hold out with --by input or --by random, or hold out nothing with --split"
        in err
    )


def _texts(path: Path) -> list[ast.Constant]:
    """The string literals of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_no_message_outside_the_command_line_names_a_flag() -> None:
    sources = [p for p in sorted(PACKAGE.rglob("*.py")) if "cli" not in p.parts]
    assert len(sources) > 100
    named = [
        f"{path.relative_to(PACKAGE)}:{text.lineno}: {text.value}"
        for path in sources
        for text in _texts(path)
        # A literal that is nothing but a flag is an argument of a process.
        if re.search(r"(?<![\w-])--[a-z]", text.value)
        and not re.fullmatch(r"--[a-z-]+", text.value)
        if not any(command in text.value for command in SHELL_COMMANDS)
    ]
    assert not named
