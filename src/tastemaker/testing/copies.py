"""The part of the contract about copies of a model: saved and opened, pickled, or deep copies."""

import copy
import pickle
from abc import abstractmethod
from pathlib import Path

import pytest
import torch

from tastemaker.bundle.bundle import open_run, save_run
from tastemaker.models.recommender import Recommender

ALIGNMENT = 64
"""Bytes to which PyTorch aligns the memory of a tensor that it allocates."""


class CopiesContract:
    """A copy of a model gives the same results as the model, bit for bit."""

    @abstractmethod
    def fitted(self, world: str) -> Recommender:
        """Returns a model fitted on a whole world."""

    @pytest.mark.parametrize("how", ["pickled", "deep"])
    def test_a_copy_gives_the_same_scores_and_lists(self, how: str) -> None:
        """Compares known users and unseen users, one of them with an empty history."""
        model = self.fitted("two tastes")
        twin = pickle.loads(pickle.dumps(model)) if how == "pickled" else copy.deepcopy(model)
        assert twin.config == model.config
        for batch in (model.users([0, 9]), model.unseen_users([[1, 2, 3], []])):
            assert torch.equal(twin.score(batch), model.score(batch))
        assert twin.recommend([1]).frame.equals(model.recommend([1]).frame)

    def test_a_fitted_and_an_opened_model_have_the_same_memory_layout(self, tmp_path: Path) -> None:
        """On some processors, a product's last bits depend on where its factors lie in memory."""
        model = self.fitted("two tastes")
        save_run(tmp_path / "run", model)
        opened = open_run(tmp_path / "run").model
        for checked_model in (model, opened):
            for name, tensor in checked_model.state().items():
                assert tensor.is_contiguous(), name
                assert tensor.data_ptr() % ALIGNMENT == 0, name
        if model.item_keys is not None:
            assert opened.item_keys is not None
            assert _layout(opened.item_keys) == _layout(model.item_keys)


def _layout(tensor: torch.Tensor) -> tuple[tuple[int, ...], int]:
    """Returns the tensor's strides, and its start in memory relative to the alignment, in bytes."""
    return tensor.stride(), tensor.data_ptr() % ALIGNMENT
