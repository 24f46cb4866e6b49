"""The part of the contract about the weights of interactions."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tastemaker.data.split import Split
from tastemaker.data.splitting import no_holdout
from tastemaker.errors import ConfigError
from tastemaker.models.recommender import Recommender
from tastemaker.testing.worlds import two_tastes


class WeightsContract:
    """A model learns from weights or refuses them; it never ignores them silently."""

    @abstractmethod
    def make(self) -> Recommender:
        """Returns a new, unfitted model."""

    def test_weights_change_what_is_learned_or_are_refused(self) -> None:
        """`uses_weights` determines which of the two."""
        weighted = _weighted(lambda n: 10.0 ** (np.arange(n) % 4 - 2))
        model = self._quick()
        if not model.uses_weights:
            with pytest.raises(ConfigError, match="does not learn from weights"):
                model.fit(weighted)
            return
        plain = self._quick().fit(no_holdout(two_tastes())).state()
        learned = model.fit(weighted).state()
        assert any(not torch.equal(learned[name], plain[name]) for name in plain)

    def test_weights_of_one_equal_no_weights(self) -> None:
        """Without weights, every interaction has the weight 1."""
        model = self._quick()
        if not model.uses_weights:
            pytest.skip("this model refuses weights")
        plain = self._quick().fit(no_holdout(two_tastes())).state()
        learned = model.fit(_weighted(np.ones)).state()
        for name, tensor in plain.items():
            torch.testing.assert_close(learned[name], tensor, rtol=1e-4, atol=1e-5)

    def _quick(self) -> Recommender:
        """Returns the model, with two epochs if it has epochs: enough to see a difference."""
        model = self.make()
        if "epochs" not in type(model.config).model_fields:
            return model
        return type(model)(model.config.model_copy(update={"epochs": 2}))


def _weighted(weights: Callable[[int], np.ndarray]) -> Split:
    data = two_tastes()
    return no_holdout(replace(data, weights=weights(len(data)).astype(np.float32)))
