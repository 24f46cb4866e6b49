"""Settings that no training can succeed with end in one line that names them."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.testing.worlds import dataset_of, two_tastes

SPLIT = tm.no_holdout(two_tastes())

INSEPARABLE = tm.no_holdout(dataset_of({user: [0, 1, 2 + user % 2] for user in range(6)}))
"""No user touched the first item without the second, so that a Gram matrix has no inverse."""


@pytest.mark.parametrize(
    ("model", "split", "named"),
    [
        (tm.EASE(regularization=1e-30), INSEPARABLE, r"a higher regularization=… \(now 1e-30\)"),
        (
            tm.EASE(regularization=1e-30, half_life_events=3),
            INSEPARABLE,
            r"a higher regularization=… \(now 1e-30\)",
        ),
        (tm.IALS(alpha=1e39), SPLIT, r"another alpha=… \(now 1e\+39\)"),
        (tm.BPR(learning_rate=1e6), SPLIT, r"a lower learning_rate=… \(now 1e\+06\)"),
        (tm.BPR(regularization=1e6), SPLIT, r"a lower regularization=… \(now 1e\+06\)"),
        (tm.MF(learning_rate=1e30, epochs=3), SPLIT, r"a lower learning_rate=… \(now 1e\+30\)"),
        (tm.NCF(learning_rate=1e30, epochs=2), SPLIT, r"a lower learning_rate=… \(now 1e\+30\)"),
        (tm.MF(weight_decay=1e300, epochs=3), SPLIT, r"a lower weight_decay=… \(now 1e\+300\)"),
        (tm.SASRec(learning_rate=1e38, epochs=3), SPLIT, r"a lower learning_rate=… \(now 1e\+38"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_training_that_diverges_names_the_settings(
    model: tm.Recommender, split: tm.Split, named: str
) -> None:
    with pytest.raises(ConfigError, match=f"{model.name}: training diverged: .*{named}") as caught:
        model.fit(split)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="not fitted"):
        model.recommend([1])


def test_scores_that_overflow_are_no_model() -> None:
    model = tm.BPR(learning_rate=10.0, epochs=3, embedding_size=8, seed=0)
    with pytest.raises(ConfigError, match="bpr: training diverged"):
        model.fit(SPLIT)


@pytest.mark.parametrize(
    "model",
    [
        tm.MF(embedding_size=2**40),
        tm.IALS(embedding_size=2**40),
        tm.SASRec(embedding_size=2**40),
        tm.MultVAE(hidden=2**40),
    ],
    ids=lambda model: model.name,
)
def test_settings_beyond_all_memory_are_named(model: tm.Recommender) -> None:
    named = r"(embedding_size|hidden)=… \(now 1099511627776\)"
    with pytest.raises(ConfigError, match=f"more memory than is available; .*a lower {named}"):
        model.fit(SPLIT)


@pytest.mark.parametrize("model", [tm.MF(embedding_size=10**19), tm.IALS(embedding_size=10**30)])
def test_sizes_beyond_64_bits_are_named(model: tm.Recommender) -> None:
    with pytest.raises(ConfigError, match=r"more memory .*a lower embedding_size=… \(now 10000"):
        model.fit(SPLIT)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_setting_that_is_no_finite_number_is_refused(number: float) -> None:
    with pytest.raises(ConfigError, match="half_life_events is"):
        tm.EASE(half_life_events=number)
    with pytest.raises(ConfigError, match="temperature is .* should be a finite number"):
        tm.CORE(temperature=number)


def test_a_size_that_is_found_from_the_data_is_named_as_well() -> None:
    class TooLarge(tm.SASRec):
        def _train(self, *_: object) -> None:
            raise MemoryError

    named = r"a lower embedding_size=… \(now auto\), or a lower batch_size=… \(now 64\)"
    with pytest.raises(ConfigError, match=named):
        TooLarge().fit(SPLIT)


def test_other_failures_keep_their_traceback() -> None:
    class Broken(tm.EASE):
        def _fit(self, *_: object) -> None:
            raise RuntimeError("a mistake in the code")

    with pytest.raises(RuntimeError, match="a mistake in the code"):
        Broken().fit(SPLIT)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_run_whose_weights_are_not_finite_is_not_opened(tmp_path: Path, number: float) -> None:
    model = tm.EASE().fit(SPLIT)
    weights = model.state()["weights"].clone()
    weights[3, 4] = number
    tm.save_run(tmp_path / "run", tm.EASE.from_state(model.config, SPLIT, {"weights": weights}))
    with pytest.raises(
        ArtifactError, match=r'weights.safetensors: "weights" contains .*not finite'
    ):
        tm.open_run(tmp_path / "run")
    assert torch.isfinite(model.state()["weights"]).all()
