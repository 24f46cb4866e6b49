"""Fold-in: a vector for somebody the model never trained on, with everything else frozen.

The vector is the most probable one a posteriori: the history is explained by the loss that the
model was trained with, under the Gaussian prior that the trained users' vectors follow, dimension
by dimension. A short history thus stays near the average user.
"""

from collections.abc import Callable

import torch

from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.models.matrices import history_matrix
from tastemaker.training.losses import RowLoss, bce_rows, multinomial

STEPS = 30
LEARNING_RATE = 0.1
NEGATIVES = 4
LONGEST_HISTORY = 100
"""The most recent so many interactions decide; more would cost time and change little."""

USERS_AT_ONCE = 256
"""Users whose vectors are fitted together, so that memory does not grow with their number."""

IMPOSSIBLE = -1e9
"""The score of an entry that is only filling: no loss minds it, and its gradient is 0."""

ScoreVectors = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(n, d) user vectors and (n, c) int64 items to (n, c) scores."""

ScoreAll = Callable[[torch.Tensor], torch.Tensor]
"""(n, d) user vectors to (n, n_items) scores."""

Misfit = Callable[[torch.Tensor], torch.Tensor]
"""How badly (n, d) vectors explain their users' histories, summed over the users."""


def user_vectors(
    users: UserBatch,
    table: torch.Tensor,
    is_trained: torch.Tensor,
    of_strangers: Callable[[UserBatch], torch.Tensor],
) -> torch.Tensor:
    """The trained vector of each user who has one, another for the rest.

    Args:
        users: n of them.
        table: (n_users, d) vectors by code.
        is_trained: (n_users,) bool: whose vector was trained.
        of_strangers: gives the others' vectors, (n_others, d), by their histories.

    Returns:
        (n, d) vectors.
    """
    codes = torch.from_numpy(users.codes).to(table.device)
    known = (codes != UNKNOWN) & is_trained[codes.clamp(min=0)]
    vectors = table[codes.clamp(min=0)]
    if not known.all():
        vectors[~known] = of_strangers(users.at((~known).cpu().numpy()))
    return vectors


def fold_in(
    score: ScoreVectors,
    users: UserBatch,
    trained: torch.Tensor,
    n_items: int,
    seed: int,
    loss: RowLoss = bce_rows,
) -> torch.Tensor:
    """Fits the vectors of a batch of users, each on its own history alone and sampled negatives.

    Every user's negatives come from a generator of the user's own, so that who else is in the batch
    changes nothing.

    Args:
        score: the model with everything but the user vectors frozen.
        users: n users, each with a history.
        trained: (n_trained, d) vectors of users who were trained; they give the prior.
        n_items: size of the catalog.
        seed: of the negatives.
        loss: what the model was trained with.

    Returns:
        (n, d) vectors.
    """

    def misfit_of(part: UserBatch) -> Misfit:
        items, filling, real = _samples(part, n_items, seed, trained.device)

        def misfit(vectors: torch.Tensor) -> torch.Tensor:
            scores = score(vectors, items.flatten(1)).view(items.shape)
            rows = scores.masked_fill(filling, IMPOSSIBLE).flatten(0, 1)
            return (loss(rows) * real.flatten()).sum()

        return misfit

    return _fit(misfit_of, users, trained)


def fold_in_whole(score_all: ScoreAll, users: UserBatch, trained: torch.Tensor) -> torch.Tensor:
    """As `fold_in`, for a model trained with the multinomial likelihood over the whole catalog.

    Args:
        score_all: the model with everything but the user vectors frozen.
        users: n users, each with a history.
        trained: (n_trained, d) vectors of users who were trained; they give the prior.
    """

    def misfit_of(part: UserBatch) -> Misfit:
        n_items = score_all(trained[:1]).shape[1]
        histories = torch.from_numpy(history_matrix(part, n_items).toarray()).to(trained.device)
        return lambda vectors: multinomial(score_all(vectors), histories).sum()

    return _fit(misfit_of, users, trained)


def _fit(
    misfit_of: Callable[[UserBatch], Misfit], users: UserBatch, trained: torch.Tensor
) -> torch.Tensor:
    mean, deviation = trained.mean(dim=0), trained.std(dim=0, correction=0).clamp(min=1e-4)
    fitted = []
    for start in range(0, len(users), USERS_AT_ONCE):
        part = users.part(start, min(start + USERS_AT_ONCE, len(users)))
        offsets = _descend(misfit_of(part), len(part), mean, deviation)
        fitted.append(mean + deviation * offsets)
    return torch.cat(fitted)


def _descend(misfit: Misfit, n: int, mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """(n, d) offsets from the mean in units of the deviation, so that one step size suits all."""
    offsets = torch.zeros(n, len(mean), device=mean.device, requires_grad=True)
    optimizer = torch.optim.Adam([offsets], lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            (misfit(mean + deviation * offsets) + 0.5 * offsets.square().sum()).backward()
            optimizer.step()
    return offsets.detach()


def _samples(
    users: UserBatch, n_items: int, seed: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Items and which are filling, (n, longest, 1 + NEGATIVES), positives in front; weights."""
    longest = int(min(users.lengths.max(), LONGEST_HISTORY))
    n = len(users)
    items = torch.zeros(n, longest, 1 + NEGATIVES, dtype=torch.int64)
    filling = torch.ones(n, longest, 1 + NEGATIVES, dtype=torch.bool)
    real = torch.zeros(n, longest)
    generator = torch.Generator()
    for row in range(n):
        whole = torch.from_numpy(users.items[users.indptr[row] : users.indptr[row + 1]])
        recent = whole[-longest:]
        drawn = torch.randint(
            n_items, (len(recent), NEGATIVES), generator=generator.manual_seed(seed)
        )
        items[row, : len(recent), 0], items[row, : len(recent), 1:] = recent, drawn
        filling[row, : len(recent), 0] = False
        filling[row, : len(recent), 1:] = torch.isin(drawn, whole)
        real[row, : len(recent)] = 1.0
    return items.to(device), filling.to(device), real.to(device)
