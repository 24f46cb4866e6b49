"""A model that another package brings, announced by an entry point."""

from pathlib import Path

import pytest
import torch

import tastemaker as tm
from tastemaker.bundle.bundle import open_run
from tastemaker.errors import ConfigError
from tastemaker.models.registry import model_class, model_names
from tastemaker.testing.worlds import two_tastes

MODULE = '''
import torch
from tastemaker.config import Config
from tastemaker.models.recommender import Recommender


class NewestFirstConfig(Config):
    """Settings of NewestFirst."""

    scale: float = 1.0
    """What the scores are multiplied with."""


class NewestFirst(Recommender):
    """The higher its code, the better the item."""

    name = "newest"
    config_class = NewestFirstConfig

    def _fit(self, split, run):
        self._scores = self.config.scale * torch.arange(split.train.n_items).float()

    def _score(self, users):
        return self._scores.expand(len(users), -1)

    def state(self):
        return {"scores": self._scores}

    def _restore(self, state, device):
        self._scores = state["scores"]
'''


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, module: str, name: str = "newest"
) -> None:
    """What pip leaves behind of a package tastemaker-newest with one module."""
    (folder / f"{module}.py").write_text(source)
    info = folder / "tastemaker_newest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tastemaker-newest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tastemaker.models]\n{name} = {module}:NewestFirst\n")
    monkeypatch.syspath_prepend(folder)


def test_a_plugin_is_trained_saved_and_opened_by_name(tmp_path: Path, monkeypatch) -> None:
    install(tmp_path, monkeypatch, MODULE, "newest_first")
    assert "newest" in model_names()
    model = model_class("newest")(scale=2.0).fit(tm.no_holdout(two_tastes()))
    assert model.recommend(0, k=1).frame["score"][0] == 2.0 * 39
    tm.save_run(tmp_path / "run", model)
    opened = open_run(tmp_path / "run").model
    assert type(opened) is type(model)
    assert torch.equal(opened.score(opened.users([0])), model.score(model.users([0])))


def test_a_plugin_cannot_take_the_name_of_a_built_in_model(tmp_path: Path, monkeypatch) -> None:
    install(tmp_path, monkeypatch, MODULE, "newest_impostor", name="ease")
    assert model_class("ease") is tm.EASE


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("newest_torn", "import no_such_package\n", "No module named 'no_such_package'"),
        ("newest_angry", "raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
        ("newest_empty", "", "has no attribute 'NewestFirst'"),
        ("newest_misspelt", "class NewestFirst(\n", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch, module: str, source: str, reason: str
) -> None:
    install(tmp_path, monkeypatch, source, module)
    assert "newest" in model_names()
    with pytest.raises(ConfigError, match="tastemaker-newest") as caught:
        model_class("newest")
    assert f"({module}:NewestFirst)" in str(caught.value)
    assert reason in str(caught.value)
