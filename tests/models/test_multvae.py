"""MultVAE against the paper's equations and PyTorch's own distributions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Multinomial, Normal
from torch.distributions import kl_divergence as divergence_of

import tastemaker as tm
from tastemaker.models.autoencoder.multvae import (
    MultVAE,
    MultVAEConfig,
    MultVAENetwork,
    kl_divergence,
)
from tastemaker.progress import Progress
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.losses import multinomial
from tastemaker.training.run import TrainingRun
from tastemaker.training.user_batches import HistoryBatch


def multvae(**changes: object) -> MultVAE:
    settings = {"epochs": 6, "batch_size": 16, "hidden": 20, "embedding_size": 8, "seed": 1}
    return MultVAE(**(settings | changes))


def network(**changes: object) -> MultVAENetwork:
    torch.manual_seed(0)
    return MultVAENetwork(7, MultVAEConfig(hidden=5, embedding_size=3, **changes))


def plain_encode(state: dict[str, torch.Tensor], histories: torch.Tensor) -> torch.Tensor:
    """(n, 2 d) in double precision, without torch.nn."""
    length = (histories.double() ** 2).sum(1, keepdim=True).sqrt()
    hidden = torch.tanh((histories / length) @ state["encoder.weight"] + state["encoder_bias"])
    return hidden @ state["code.weight"].T + state["code.bias"]


def plain_decode(state: dict[str, torch.Tensor], code: torch.Tensor) -> torch.Tensor:
    hidden = torch.tanh(code @ state["decoder.weight"].T + state["decoder.bias"])
    return hidden @ state["items.weight"].T + state["items.bias"]


def doubled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in state.items()}


def test_the_likelihood_is_multinomial_up_to_the_number_of_orders() -> None:
    logits = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    counts = torch.tensor([[1.0, 0, 0, 1, 1, 0], [0, 0, 1, 0, 0, 0], [2, 0, 1, 0, 0, 3]])
    for row in range(3):
        total = int(counts[row].sum())
        exact = Multinomial(total, logits=logits[row]).log_prob(counts[row])
        orders = torch.lgamma(counts[row].sum() + 1) - torch.lgamma(counts[row] + 1).sum()
        torch.testing.assert_close(-multinomial(logits, counts)[row], exact - orders)


def test_the_divergence_is_that_from_the_standard_normal() -> None:
    random = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 4, 5, generator=random)
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    expected = divergence_of(posterior, Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    assert kl_divergence(torch.zeros(1, 5), torch.zeros(1, 5)).item() == 0


def test_the_kl_weight_rises_in_a_line_to_its_cap() -> None:
    slow = network(kl_weight=0.4, anneal_fraction=0.5)
    at = [slow.kl_weight_at(progress) for progress in (0.0, 0.125, 0.25, 0.5, 0.99)]
    assert at == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.4])
    assert network(kl_weight=0.4, anneal_fraction=0.0).kl_weight_at(0.0) == 0.4


def test_the_loss_is_the_lower_bound_of_the_paper() -> None:
    made = network(dropout=0.0, kl_weight=0.4, anneal_fraction=0.5)
    histories = torch.tensor([[1.0, 0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0, 0]])
    torch.manual_seed(7)
    loss = made.loss(HistoryBatch(torch.tensor([0, 1]), histories, progress=0.25)).double()
    torch.manual_seed(7)
    noise = torch.randn(2, 3).double()
    state = doubled(made.state_dict())
    mean, log_variance = plain_encode(state, histories).chunk(2, dim=1)
    deviation = log_variance.exp().sqrt()
    log_p = plain_decode(state, mean + deviation * noise).log_softmax(dim=1)
    likelihood = torch.stack([log_p[0, [0, 2, 5]].sum(), log_p[1, 1]])
    divergence = divergence_of(Normal(mean, deviation), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(loss, (0.2 * divergence - likelihood).mean(), rtol=1e-5, atol=0)


def test_part_of_the_history_is_hidden_while_training() -> None:
    made = network(dropout=0.5)
    histories = torch.ones(400, 7)
    entered: list[torch.Tensor] = []
    made.encoder.register_forward_hook(lambda layer, inputs, output: entered.append(inputs[2]))
    made.encode(histories)
    made.eval().encode(histories)
    training, scoring = entered
    assert (training == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(scoring, torch.full((400 * 7,), 1 / 7**0.5))


def test_a_history_without_items_enters_as_nothing() -> None:
    made = network().eval()
    with torch.no_grad():
        made.encoder_bias.normal_()
        mean, _ = made.encode(torch.tensor([[0.0] * 7, [0, 0, 1, 0, 0, 0, 2], [0.0] * 7]))
        empty, _ = made.code(torch.tanh(made.encoder_bias)).chunk(2)
        alone, _ = made.encode(torch.tensor([[0.0, 0, 1, 0, 0, 0, 2]]))
    torch.testing.assert_close(mean[[0, 2]], empty.expand(2, -1))
    torch.testing.assert_close(mean[1:2], alone)


def test_scores_are_decoded_from_the_mean_of_the_code() -> None:
    model = multvae().fit(tm.no_holdout(two_tastes()))
    histories = torch.zeros(2, 40)
    histories[0, [3, 8]], histories[1, [21, 30, 31]] = 1, 1
    state = doubled(model.state())
    mean = plain_encode(state, histories)[:, :8]
    scores = model.score(model.unseen_users([[3, 8], [31, 30, 21]])).double()
    torch.testing.assert_close(scores, plain_decode(state, mean), rtol=1e-4, atol=1e-5)


def test_a_known_user_is_scored_by_the_history_of_the_moment() -> None:
    model = multvae().fit(tm.no_holdout(two_tastes()))
    grown = tm.UserBatch(np.array([0]), np.array([0, 1, 2]), np.array([0, 3]))
    assert_same_scores(model.score(grown), model.score(model.unseen_users([[0, 1, 2]])))


class Stop(Exception):  # noqa: N818
    """Stands for a kill."""


@pytest.mark.parametrize("killed_in", [1, 4])
def test_a_resumed_run_ends_as_an_unbroken_one(tmp_path: Path, killed_in: int) -> None:
    # Dropout and the code's noise come from the global random state, which a kill loses.
    def on_progress(progress: Progress) -> None:
        if progress.epoch > killed_in:
            raise Stop

    split = tm.leave_one_out(two_tastes())
    unbroken = multvae().fit(split)
    torch.manual_seed(99)
    with pytest.raises(Stop):
        multvae().fit(split, TrainingRun(folder=tmp_path, on_progress=on_progress))
    torch.manual_seed(100)
    resumed = multvae().fit(split, TrainingRun(folder=tmp_path, resume=True))
    assert len(resumed.log.records) == 6
    for name, tensor in unbroken.state().items():
        assert torch.equal(resumed.state()[name], tensor), name
    losses = [[record["loss"] for record in model.log.records] for model in (unbroken, resumed)]
    assert losses[0] == losses[1]


def test_each_epoch_and_seed_has_noise_of_its_own() -> None:
    # All users are alike and the steps are next to nothing, so only the noise tells losses apart.
    split = tm.no_holdout(dataset_of({user: [0, 1, 2] for user in range(4)}))
    still = {"learning_rate": 1e-30, "kl_weight": 0.0, "epochs": 3}
    first, second = (multvae(seed=seed, **still).fit(split).log.records for seed in (1, 2))
    assert len({record["loss"] for record in (*first, *second)}) == 6


def test_it_beats_popularity_by_far_on_real_data(data_folder: Path) -> None:
    split = tm.leave_one_out(tm.load("ml-100k"))
    results = [
        tm.evaluate(MultVAE(epochs=15, seed=seed).fit(split), split, tm.FullRanking())
        for seed in range(3)
    ]
    popularity = results[0].baselines["popularity"].metrics["ndcg@10"]
    assert np.mean([result.metrics["ndcg@10"] for result in results]) > 1.4 * popularity


def test_the_encoder_reads_the_weights_of_a_history_relative_to_their_mean() -> None:
    data = two_tastes()
    heavy = replace(data, weights=np.full(len(data), 300, dtype=np.float32))
    model = MultVAE(epochs=2, hidden=8, embedding_size=4).fit(tm.no_holdout(heavy))
    users = model.unseen_users([[1, 2, 3]] * 3)
    weights = np.array([300, 300, 300, 3000, 300, 300, 300, 300, 3000], dtype=np.float32)
    even, first, last = model.score(replace(users, weights=weights))
    assert_same_scores(even[None], model.score(users)[:1])
    assert not torch.allclose(first, even, rtol=1e-3)
    assert not torch.allclose(first, last, rtol=1e-3)


@pytest.mark.parametrize("weights", [(1e-9, 1.0), (1.0, 1e12)])
def test_weights_far_below_the_mean_leave_the_scores_finite(weights: tuple[float, float]) -> None:
    """Interactions of the first half of the users are lighter than those of the others."""
    data = two_tastes()
    light, heavy = weights
    values = np.where(data.users < data.n_users // 2, light, heavy).astype(np.float32)
    model = multvae(epochs=1).fit(tm.no_holdout(replace(data, weights=values)))
    assert model.score(model.users([0, data.n_users - 1])).isfinite().all()
