"""In the kernel of a notebook, long work shows one line, which tells in the end how it went."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

import tastemaker as tm
from tastemaker.notebook import shown_progress
from tastemaker.progress import Progress

SET_UP = """
from contextlib import contextmanager
import tastemaker as tm
from tastemaker import notebook
from tastemaker.notebook import shown_progress
from tastemaker.testing.worlds import two_tastes
notebook.SHOWN_AFTER_S = notebook.REDRAWN_EVERY_S = 0
split = tm.leave_one_out(two_tastes())

@contextmanager
def interrupted_in_the_second_training():
    '''Ctrl-C comes in the second training of an item-KNN model.'''
    fit, models = tm.ItemKNN._fit, []
    def interrupted(model, *arguments):
        models.append(model)
        if len(models) == 2:
            raise KeyboardInterrupt
        fit(model, *arguments)
    tm.ItemKNN._fit = interrupted
    yield
    tm.ItemKNN._fit = fit
"""
CELLS = {
    "fit": "model = tm.NCF(epochs=3).fit(split)",
    "evaluate": "result = tm.evaluate(model, protocol=tm.FullRanking())",
    "compare": "result = tm.compare([tm.EASE(), tm.MF(epochs=2)], split, 'comparison')",
    "tune": "result = tm.tune('itemknn', split, 'search', n_trials=2)",
    "interrupted fit": """
class Interrupted(tm.ItemKNN):
    def _fit(self, split, run):
        super()._fit(split, run)
        self.log.interrupted = True
model = Interrupted().fit(split)
""",
    "interrupted compare": """
with interrupted_in_the_second_training():
    models = {"first": tm.ItemKNN(), "second": tm.ItemKNN()}
    result = tm.compare(models, split, "interrupted comparison")
""",
    "interrupted tune": """
with interrupted_in_the_second_training():
    result = tm.tune("itemknn", split, "interrupted search", n_trials=2)
""",
    "notes": "data = tm.load('synthetic')",
    "own callback": "tm.NCF(epochs=3).fit(split, tm.TrainingRun(on_progress=lambda one: None));",
    "failing": """
try:
    with shown_progress(None, "<b>counting</b>") as on_progress:
        on_progress(tm.Progress("users", 1, 2))
        raise ValueError
except ValueError:
    pass
""",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """What each cell has displayed in the end."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(code) for code in (SET_UP, *CELLS.values())]
    folder = str(tmp_path_factory.mktemp("notebook"))
    NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": folder}},
    ).execute()
    return {
        name: [one for one in cell.outputs if one.output_type != "execute_result"]
        for name, cell in zip(CELLS, notebook.cells[1:], strict=True)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "line"),
    [
        ("fit", r"ncf: finished after \d+\.\d s; loss 0\.\d{4}, validation_.*"),
        ("evaluate", r"evaluating ncf: finished after \d+\.\d s"),
        ("compare", r"compare: finished after \d+\.\d s"),
        ("tune", r"tune itemknn: finished after \d+\.\d s"),
    ],
)
def test_finished_work_leaves_one_line(work: str, line: str, outputs: dict[str, list]) -> None:
    (display,) = (one for one in outputs[work] if one.output_type == "display_data")
    html = display.data["text/html"]
    assert html.startswith("<span>")
    assert display.data["text/plain"] == html.removeprefix("<span>").removesuffix("</span>")
    assert re.fullmatch(line, display.data["text/plain"])


@pytest.mark.slow
def test_failed_work_says_so_and_markup_stays_text(outputs: dict[str, list]) -> None:
    (display,) = outputs["failing"]
    assert "&lt;b&gt;counting&lt;/b&gt;: stopped after" in display.data["text/html"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "subject"),
    [("fit", "itemknn"), ("compare", "compare"), ("tune", "tune itemknn")],
)
def test_work_that_ctrl_c_has_ended_is_not_called_finished(
    work: str, subject: str, outputs: dict[str, list]
) -> None:
    (display,) = (o for o in outputs[f"interrupted {work}"] if o.output_type == "display_data")
    assert re.fullmatch(rf"{subject}: stopped after \d+\.\d s", display.data["text/plain"])


@pytest.mark.slow
def test_notes_do_not_look_like_errors(outputs: dict[str, list]) -> None:
    (stream,) = outputs["notes"]
    assert (stream.name, stream.text) == (
        "stdout",
        "tastemaker: the catalog describes 800 of 800 items\n",
    )


@pytest.mark.slow
def test_a_callback_of_ones_own_replaces_the_line(outputs: dict[str, list]) -> None:
    assert outputs["own callback"] == []


def test_outside_a_notebook_nothing_is_shown() -> None:
    with shown_progress(None, "counting") as on_progress:
        assert on_progress is None
    reports: list[tm.Progress] = []
    with shown_progress(reports.append, "counting") as on_progress:
        assert on_progress is not None
        on_progress(Progress("users", 1, 2))
    assert len(reports) == 1
