"""Neural Collaborative Filtering: a user's and an item's vector through a small network to a logit.

Xiangnan He, Lizi Liao, Hanwang Zhang, Liqiang Nie, Xia Hu and Tat-Seng Chua, 2017: Neural
Collaborative Filtering (WWW), the MLP of section 3.3. The defaults are those of the widely read
tutorial: embeddings of 8, layers of 64 and 32, four negatives a positive, Adam, five epochs.
"""

import itertools

import torch
from pydantic import Field, PositiveInt
from torch import nn

from tastemaker import training
from tastemaker.data.splitting import Split
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.models.fold_in import fold_in
from tastemaker.models.recommender import Recommender
from tastemaker.models.validation import sampled_validation
from tastemaker.training.batches import PairBatches
from tastemaker.training.config import TrainingConfig
from tastemaker.training.losses import bce
from tastemaker.training.run import TrainingRun, resolve_device

PAIRS_AT_ONCE = 1 << 14
"""(user, item) pairs whose hidden layers are in memory at a time when a whole catalog is scored."""


class NCFConfig(TrainingConfig):
    """Settings of NCF."""

    learning_rate: float = Field(1e-2, gt=0)
    """Step size of Adam; ten times its usual one did best on MovieLens validation parts."""
    embedding_size: int = Field(8, ge=1)
    """Numbers in a user's and in an item's vector."""
    hidden: tuple[PositiveInt, ...] = Field((64, 32), min_length=1)
    """Widths of the fully connected layers, each followed by a ReLU."""


class NCFNetwork(nn.Module):
    """f(u, i) = w · relu(… W2 relu(W1 [p_u; q_i] + b1) …) + b.

    W1 [p_u; q_i] = W1_user p_u + W1_item q_i: the user's half is computed once and shared by the
    positive and all its negatives, which saves a good part of the work.
    """

    def __init__(self, n_users: int, n_items: int, config: NCFConfig) -> None:
        super().__init__()
        first, *rest = config.hidden
        self.users = nn.Embedding(n_users, config.embedding_size)
        self.items = nn.Embedding(n_items, config.embedding_size)
        # As in the paper: starting small matters, and PyTorch's default of 1 learns far slower.
        nn.init.normal_(self.users.weight, std=0.01)
        nn.init.normal_(self.items.weight, std=0.01)
        self.first_user = nn.Linear(config.embedding_size, first)
        self.first_item = nn.Linear(config.embedding_size, first, bias=False)
        layers: list[nn.Module] = [nn.ReLU()]
        for width, next_width in itertools.pairwise((first, *rest)):
            layers += [nn.Linear(width, next_width), nn.ReLU()]
        self.tower = nn.Sequential(*layers, nn.Linear(config.hidden[-1], 1))

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Logits of users (n,) with items (n, c): (n, c)."""
        return self.score_vectors(self.users(users), items)

    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Logits of user vectors (n, d) with items (n, c): (n, c)."""
        return self._logits(vectors, self.items(items))

    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits of user vectors (n, d) with every item: (n, n_items)."""
        return self._logits(vectors, self.items.weight[None])

    def _logits(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        hidden = self.first_user(users)[:, None] + self.first_item(items)  # (n, c, h)
        return self.tower(hidden).squeeze(-1)


class NCF(Recommender):
    """NCF with binary cross-entropy against sampled negatives.

    A stranger gets a vector by fold-in, a few steps of optimisation on that vector alone.
    """

    name = "ncf"
    config_class = NCFConfig
    config: NCFConfig

    def _fit(self, split: Split, run: TrainingRun) -> None:
        device = resolve_device(run.device)
        train, config = split.train, self.config
        # A fork, so that the caller's random state is as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self._network = NCFNetwork(train.n_users, train.n_items, config).to(device)
        batches = PairBatches(
            train, batch_size=config.batch_size, negatives=config.negatives, seed=config.seed,
            device=device,
        )  # fmt: skip
        validate = sampled_validation(split, self._network, device)
        self.log = training.fit(self._network, batches, bce, config, validate, run)
        self._network.to(device).requires_grad_(False)
        self._trained_users = torch.from_numpy(train.user_counts > 0).to(device)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._network.items.weight.device

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, embedding_size) float32."""
        return self._network.items.weight

    @torch.no_grad()
    def _score(self, users: UserBatch) -> torch.Tensor:
        step = max(1, PAIRS_AT_ONCE // len(self._network.items.weight))
        vectors = self._vectors(users)
        return torch.cat([self._network.score_all(part) for part in vectors.split(step)])

    @torch.no_grad()
    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        step = max(1, PAIRS_AT_ONCE // items.shape[1])
        parts = zip(self._vectors(users).split(step), items.split(step), strict=True)
        return torch.cat([self._network.score_vectors(*part) for part in parts])

    def state(self) -> dict[str, torch.Tensor]:
        """The network's parameters by name."""
        return dict(self._network.state_dict())

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        train = self.dataset
        with torch.random.fork_rng(devices=[]):
            self._network = NCFNetwork(train.n_users, train.n_items, self.config)
        self._network.load_state_dict(state)
        self._network.to(device).eval().requires_grad_(False)
        self._trained_users = torch.from_numpy(train.user_counts > 0).to(device)

    def _vectors(self, users: UserBatch) -> torch.Tensor:
        """(n, d): the trained vector where there is one, a folded-in one for a stranger."""
        codes = torch.from_numpy(users.codes).to(self.device)
        known = (codes != UNKNOWN) & self._trained_users[codes.clamp(min=0)]
        vectors = self._network.users(codes.clamp(min=0))
        if not known.all():
            strangers = users.at((~known).cpu().numpy())
            trained = self._network.users.weight[self._trained_users]
            vectors[~known] = fold_in(
                self._network.score_vectors, strangers, trained, self.dataset.n_items,
                self.config.seed,
            )  # fmt: skip
        return vectors
