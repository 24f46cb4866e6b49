"""Recommender: the contract that all models implement."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import polars as pl
import torch

from tastemaker.artifact import is_finite
from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoders
from tastemaker.data.notes import log_notes
from tastemaker.data.recommendations import Recommendations
from tastemaker.data.split import Split
from tastemaker.data.user_range import UserRange
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError, UnsupportedError, did_you_mean
from tastemaker.forking import refuse_forked
from tastemaker.models.explanations import explain, with_reasons
from tastemaker.models.fit_errors import failures_as_config_errors
from tastemaker.models.networks import Network, warm_started
from tastemaker.models.registry import BUILT_IN, model_class
from tastemaker.models.retrieval import SCORES_AT_ONCE, ListRules, Lists, top_items
from tastemaker.models.similar import similar_items
from tastemaker.models.space import Range, Space
from tastemaker.notebook import shown_progress
from tastemaker.process_group import n_processes
from tastemaker.progress import OnProgress
from tastemaker.ranking.filters import Id, Ids, ItemFilter, as_list
from tastemaker.ranking.index import Index
from tastemaker.ranking.similarity import ItemSimilarity, VectorSimilarity
from tastemaker.representation import with_values
from tastemaker.training.run import TrainingLog, TrainingRun


class NewItemKeys(NamedTuple):
    """Keys of items that are not in the training data."""

    keys: torch.Tensor
    """(n, d) float32, in the space of `item_keys`."""
    known: np.ndarray
    """(n,) bool: whether the model was trained with a value of any of the item's features. The key
    of any other item is meaningless."""


class Recommender(ABC):
    """A model that is trained on a Split and recommends to every user who has a history.

    A subclass sets `name` and `config_class` and implements `_fit`, `state` and `_restore`. If its
    score is the inner product of two vectors it implements `item_keys` and `_queries`, otherwise
    `_score` and, where it need not score the whole catalog for it, `_score_candidates`. It
    implements `item_vectors` if its items can be compared. A fitted model is safe for several
    threads.
    """

    name: ClassVar[str]
    """The name in the registry, in results and on the command line."""
    config_class: ClassVar[type[Config]]
    uses_weights: bool = False
    """Whether `fit` learns from the weights of interactions. Any other model says in a note that it
    does not (see `notes_on`), since ignored weights would look like weights that counted."""
    reads_order: bool = False
    """Whether the model reads histories in order, with every repeated event. To any other model,
    data with repeats="keep" show each pair once, with the sum of its weights."""
    trains_in_processes: bool = False
    """Whether several processes can train the model together (see `process_group`): all of them
    read the same data, divide the work, and end with the same model. Any other model refuses."""
    space: ClassVar[dict[str, Range]] = {}
    """The settings worth tuning and their ranges; empty if there are none."""

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        """Makes an unfitted model from a config or from settings by name, not from both.

        Raises:
            ConfigError: an unknown setting or a value out of range.
        """
        if config is not None and settings:
            raise ConfigError(f"{self.name}: give either a config or single settings, not both")
        if config is not None and not isinstance(config, self.config_class):
            raise ConfigError(
                f"{self.name} takes a {self.config_class.__name__}, not a {type(config).__name__}; "
                f"pass settings by name, as in {type(self).__name__}(seed=7)"
            )
        self.config = config if config is not None else self.config_class.of(settings, self.name)
        self.log = TrainingLog()
        """The record of training; empty for a model without epochs."""
        self._split: Split | None = None
        self._start_from: Recommender | None = None
        self._encoders: Encoders | None = None

    def __repr__(self) -> str:
        values = (
            (setting, attrgetter(setting.name)(self.config))
            for setting in self.config_class.settings()
        )
        changed = [(setting.name, value) for setting, value in values if value != setting.default]
        training = "not trained" if self._split is None else f"trained on {self.dataset.name}"
        return f"{with_values(type(self).__name__, changed)}, {training}"

    @abstractmethod
    def _fit(self, split: Split, run: TrainingRun) -> None: ...

    @property
    def item_keys(self) -> torch.Tensor | None:
        """(n_items, d) float32 vectors whose inner product with a query is the score.

        None for a model whose scores have no such form.
        """
        return None

    def _queries(self, users: UserBatch) -> torch.Tensor:
        """Computes `queries`; every model with `item_keys` implements it."""
        raise NotImplementedError

    def _score(self, users: UserBatch) -> torch.Tensor:
        """Computes `score` for users none of whom is cold."""
        keys = self.item_keys
        assert keys is not None, f"{type(self).__name__} implements neither item_keys nor _score"
        return self._queries(users) @ keys.T

    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        """Computes `score_candidates` for users none of whom is cold."""
        keys = self.item_keys
        if keys is not None:
            return torch.einsum("nd,ncd->nc", self._queries(users), keys[items])
        step = max(1, SCORES_AT_ONCE // self.dataset.n_items)
        blocks = [
            self._score(users.part(start, min(start + step, len(users)))).gather(
                1, items[start : start + step].to(self.device)
            )
            for start in range(0, len(users), step)
        ]
        return torch.cat(blocks)

    @abstractmethod
    def state(self) -> dict[str, torch.Tensor]:
        """All learned parameters, as tensors by name."""

    @abstractmethod
    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        """Sets the parameters from a state; `split` is already set."""

    @property
    def item_vectors(self) -> torch.Tensor | None:
        """(n_items, d) vectors whose cosine is the similarity of items; None if there are none."""
        return None

    @property
    def item_similarity(self) -> ItemSimilarity:
        """The similarity of items.

        Raises:
            UnsupportedError: the model has no item vectors.
        """
        vectors = self.item_vectors
        if vectors is None:
            raise UnsupportedError(f"{self.name} does not provide the similarity of items")
        return VectorSimilarity(vectors)

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The contribution of each item of one history to the scores of some items.

        A model whose score is a sum over the history returns the terms of the sum. This default
        returns the similarity of the two items, whatever their weights.

        Args:
            history: (h,) different int64 codes.
            items: (c,) int64 codes.
            weights: (h,) float32 weights of the history's items, or None if it has no weights.

        Returns:
            (c, h) float32.

        Raises:
            UnsupportedError: the model has no item similarity.
        """
        codes = torch.cat([items, history])[None]
        return self.item_similarity.within(codes)[0, : len(items), len(items) :]

    @property
    def scores_are_logits(self) -> bool:
        """Whether the softmax of a user's scores is the model's probability of each item."""
        return False

    @property
    def device(self) -> torch.device:
        """The device on which scores are computed."""
        return torch.device("cpu")

    def fit(
        self,
        split: Split,
        run: TrainingRun | None = None,
        start_from: "Recommender | None" = None,
        *,
        strict: bool = False,
    ) -> Self:
        """Trains the model on the training part of a split.

        Args:
            split: only `train` is learned from; `validation` may decide when training stops.
            run: device, folder, resume and progress; the result does not depend on it.
            start_from: a fitted model of the same kind, for a warm start: the rows of users and
                items that are in both data sets are copied. Only networks with tables of users
                and items do this; other models are trained from scratch.
            strict: whether it is an error, rather than a note in the log, if the data have weights
                and this model does not learn from them.

        Returns:
            The model itself.

        Raises:
            ConfigError: `split` or `start_from` is of a wrong type, or `start_from` is not fitted;
                or with these settings the parameters are not finite or do not fit into memory
                (names the settings to change); or see `strict`.
            UnsupportedError: several processes train together, which this model does not support.
        """
        refuse_forked()
        if not isinstance(split, Split):
            raise ConfigError(
                f"{self.name}.fit takes a Split: leave_one_out(data), or no_holdout(data) to train "
                f"on everything, not a {type(split).__name__}"
            )
        if start_from is not None and type(start_from) is not type(self):
            raise ConfigError(f"{self.name} cannot start from a {start_from.name}")
        if start_from is not None:
            _ = start_from.split  # raises an error if it is not fitted
        self.refuse_processes()
        log_notes(self.notes_on(split.train, strict=strict))
        run = run or TrainingRun()
        with shown_progress(
            run.on_progress, self.name, lambda: self.log.interrupted
        ) as on_progress:
            self._trained_on(split, replace(run, on_progress=on_progress), start_from)
        log_notes(self.log.notes)
        return self

    def _trained_on(
        self, split: Split, run: TrainingRun, start_from: "Recommender | None" = None
    ) -> None:
        """Does the work of `fit`, whose arguments are checked by now."""
        started_at = time.monotonic()
        self._start_from, self._encoders = start_from, None
        try:
            with failures_as_config_errors(self.config, self.name):
                self._prepare(split, run)
                self._fit(self._split_as_read(split), run)
                self._split = split
                self._require_finite()
        except BaseException:
            self._split = None  # a half-trained model must not recommend
            raise
        finally:
            self._start_from = None
        # The epochs before a resume count as well.
        self.log.fit_s = max(time.monotonic() - started_at, self.log.elapsed_s)

    def _prepare(self, split: Split, run: TrainingRun) -> None:  # noqa: B027, may be overridden
        """Finds what decides how the split is read; does nothing unless overridden."""

    def refuse_processes(self) -> None:
        """Checks that the processes that train together, if any, can train this model.

        Raises:
            UnsupportedError: they cannot; the error names the models that they can train.
        """
        if n_processes() > 1 and not self.trains_in_processes:
            able = [name for name in BUILT_IN if model_class(name).trains_in_processes]
            raise UnsupportedError(
                f"{self.name} cannot be trained by several processes; train it with one process, "
                f"or choose one of {', '.join(able)}"
            )

    def notes_on(self, data: Dataset, *, strict: bool = False) -> tuple[str, ...]:
        """Returns notes on what these data have that the model does not learn from.

        Raises:
            ConfigError: there is something to note, and `strict` is set.
        """
        if data.weights is None or self.uses_weights:
            return ()
        note = f"{self.name} does not learn from weights: every interaction counts the same"
        if strict:
            raise ConfigError(f"{note}; choose another model, or leave out strict=True")
        return (note,)

    @classmethod
    def space_with(cls, settings: Mapping[str, Any]) -> Space:
        """The settings worth tuning and their ranges, if the given settings are fixed."""
        return cls.space

    @property
    def split(self) -> Split:
        """The split that the model was fitted on.

        Raises:
            ConfigError: the model is not fitted.
        """
        refuse_forked()
        if self._split is None:
            raise ConfigError(f"{self.name} is not fitted yet: call fit(split) first")
        return self._split

    @property
    def dataset(self) -> Dataset:
        """The training data as the model reads them (see `reads_order`)."""
        return self._split_as_read(self.split).train

    def users(self, ids: Ids) -> UserBatch:
        """A batch of users by id, with their histories in all parts of the split.

        Raises:
            UnknownIdError: a user is not in the data.
        """
        return UserBatch.known(self.split.everything, self.dataset.user_vocabulary.encode(ids))

    def unseen_users(
        self,
        histories: Sequence[Ids],
        features: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> UserBatch:
        """A batch of users who are not in the data, by their histories and features.

        Args:
            histories: item ids of each user, oldest first.
            features: the features of each user, by the names that they have in the table of users.
                Only models that read features of users use them.

        Raises:
            UnknownIdError: an item is not in the data.
            ConfigError: there are not as many features as histories, or a feature is unknown.
        """
        if any(isinstance(history, int | str | np.integer) for history in histories):
            raise ConfigError(
                "unseen_users takes a list of histories: unseen_users([[1, 50, 296]])"
            )
        if features is not None and len(features) != len(histories):
            raise ConfigError(
                f"unseen_users: there are {len(histories)} histories and {len(features)} features; "
                "give None for a user without features"
            )
        table = self.dataset.user_table
        known = [] if table is None else list(table.features)
        for name in {name for row in features or () for name in row or ()}:
            if name not in known:
                raise ConfigError(
                    f'unseen_users: the users have no feature "{name}"; '
                    + (did_you_mean(name, known) if known else "the data have no table of users")
                )
        encode = self.dataset.item_vocabulary.encode
        return UserBatch.unseen_users([encode(history) for history in histories], features)

    def score(self, users: UserBatch) -> torch.Tensor:
        """Scores of all items: (n_users, n_items) float32 on `device`, higher is better.

        Only scores of the same user can be compared. The scores of a cold user are the popularity
        of the items.
        """
        if len(users) == 0:
            return torch.empty(0, self.dataset.n_items, device=self.device)
        users = self._as_read(users)
        is_cold = self.is_cold(users)
        if not is_cold.any():
            return self._score(users)
        scores = self._popularity().expand(len(users), -1).clone()
        known = ~is_cold
        if known.any():
            scores[torch.from_numpy(known)] = self._score(users.at(known))
        return scores

    def queries(self, users: UserBatch) -> torch.Tensor:
        """Vectors whose inner products with `item_keys` are the scores.

        Args:
            users: n users, none of them cold.

        Returns:
            (n, d) float32 on `device`.

        Raises:
            UnsupportedError: this model's scores are no inner products.
        """
        keys = self.item_keys
        if keys is None:
            raise UnsupportedError(f"{self.name}: the scores are not inner products of two vectors")
        return (
            self._queries(self._as_read(users)) if len(users) else keys.new_empty(0, keys.shape[1])
        )

    def is_cold(self, users: UserBatch) -> np.ndarray:
        """Which users are cold: not in the training data, and nothing known that the model reads.

        That is an informative item of the history or, for a model that reads features of users, a
        feature.

        Returns:
            (n,) bool. Cold users get the popularity of the items.
        """
        trained = self.dataset.user_counts[users.codes.clip(min=0)] > 0
        known = trained & (users.codes != UNKNOWN)
        if not known.all():
            known[users.rows[self._are_informative(users.items)]] = True
            known |= self._known_by_features(users)
        return ~known

    def new_item_keys(self, rows: Sequence[Mapping[str, Any]]) -> NewItemKeys | None:
        """Keys of items that are not in the training data, computed from their features.

        Args:
            rows: the features of each item, by the names that they have in the catalog; other names
                are ignored.

        Returns:
            None for a model that does not read features of items.

        Raises:
            ConfigError: a value is not of the kind of its feature.
        """
        return None

    def score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        """Scores of some items for each user.

        Args:
            users: n users.
            items: (n, c) int64 codes.

        Returns:
            (n, c) float32 on `device`, equal to those of `score`.
        """
        items = items.to(self.device)
        if len(users) == 0:
            return torch.empty(items.shape, device=self.device)
        users = self._as_read(users)
        is_cold = self.is_cold(users)
        if not is_cold.any():
            return self._score_candidates(users, items)
        scores = self._popularity()[items]
        known = ~is_cold
        if known.any():
            rows = torch.from_numpy(known)
            scores[rows] = self._score_candidates(users.at(known), items[rows])
        return scores

    def recommend(
        self,
        users: UserBatch | Ids | Id | None = None,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        eligible: ItemFilter | None = None,
        diversity: float = 0.0,
        because: int = 0,
        index: Index | None = None,
        on_progress: OnProgress | None = None,
    ) -> Recommendations:
        """The best k items for each user.

        Args:
            users: ids, one id, a UserBatch (see `users` and `unseen_users`), or None for all.
            k: length of each list; a list is shorter if fewer items are left.
            exclude_seen: whether items that the user has touched are left out, those of held-out
                interactions included. By default they are, unless the data were read with
                repeats="keep" or repeat_targets=True. Items of which the user's latest event was
                negative are always left out.
            eligible: items that may be recommended; all by default.
            diversity: from 0, the best by score, to 1, the least similar.
            because: number of items of the history that are given as reasons for each item.
            index: index to search; an exact search by default.
            on_progress: receives the number of users whose lists are ready.

        Raises:
            UnknownIdError: a user or an item is not in the data.
            ConfigError: k is below 1, or a category does not exist.
            UnsupportedError: the model can give no reasons or no diverse lists.
        """  # fmt: skip
        rules = ListRules(exclude_seen, eligible, diversity, because, index)
        blocks = self.recommend_in_blocks(users, k, rules, on_progress)
        return Recommendations(pl.concat(block.frame for block in blocks))

    def recommend_in_blocks(
        self,
        users: UserBatch | UserRange | Ids | Id | None = None,
        k: int = 10,
        rules: ListRules = ListRules(),  # noqa: B008, frozen
        on_progress: OnProgress | None = None,
    ) -> Iterator[Recommendations]:
        """Yields the result of `recommend` for some users at a time, in bounded memory."""
        if users is None:
            users = UserRange.whole(self.split)
        elif not isinstance(users, UserRange):
            users = self._as_batch(users)
        for block in self.top_items(users, k, rules, on_progress):
            recommendations = Recommendations.from_codes(
                self.dataset, block.users.codes, block.items, block.scores, block.lengths
            )
            yield (
                with_reasons(self, recommendations, block, rules.because)
                if rules.because
                else recommendations
            )

    def top_items(
        self,
        users: UserBatch | UserRange,
        k: int,
        rules: ListRules = ListRules(),  # noqa: B008, frozen
        on_progress: OnProgress | None = None,
    ) -> Iterator[Lists]:
        """Yields the best k items as codes, for some users at a time."""
        return top_items(self, users, k, rules, on_progress)

    def explain(self, users: UserBatch | Ids | Id, items: Ids | Id, n: int = 3) -> Recommendations:
        """The n items of each user's history that contribute most to the scores of some items.

        Contributions are exact for models whose score is a sum over the history (ease, itemknn,
        ials, graphfilter, and blends of these); for other models they are the similarity of the two
        items.

        Returns:
            A table with user_id, item_id (the recommended one), rank, because_item_id,
            contribution, and because_title if the catalog has titles. Negative contributions are
            left out.

        Raises:
            ConfigError: n is below 1.
            UnknownIdError: a user or an item is not in the data.
            UnsupportedError: the model has neither contributions nor item similarity.
        """
        if n < 1:
            raise ConfigError(f"n is {n}; it must be at least 1 item of the history")
        codes = self.dataset.item_vocabulary.encode(as_list(items))
        return explain(self, self._as_batch(users), codes, n)

    def similar_items(
        self, items: Ids | Id, k: int = 10, *, on_progress: OnProgress | None = None
    ) -> Recommendations:
        """The k items most similar to each of some items, by the cosine of their vectors.

        Args:
            items: ids, or one id.
            k: number of similar items for each.
            on_progress: receives the number of items whose lists are ready.

        Returns:
            A table with item_id (the given one), rank, similar_item_id, score, and title.

        Raises:
            UnknownIdError: an item is not in the data.
            UnsupportedError: the model has no item similarity.
        """
        codes = self.dataset.item_vocabulary.encode(as_list(items))
        return similar_items(self, codes, k, on_progress)

    @classmethod
    def from_state(
        cls,
        config: Config,
        split: Split,
        state: dict[str, torch.Tensor],
        device: torch.device | None = None,
        encoders: Encoders | None = None,
    ) -> Self:
        """Makes a fitted model from the `state` of another.

        Args:
            config: the config of the other model.
            split: what the other model was fitted on.
            state: the result of its `state`.
            device: where to compute; the CPU by default.
            encoders: its `encoders`; by default they are fitted again.
        """
        model = cls(config)
        model._split, model._encoders = split, encoders
        model._restore(state, device or torch.device("cpu"))
        return model

    @property
    def encoders(self) -> Encoders | None:
        """The encoders of features that the model was trained with; None if it reads none."""
        return self._encoders

    def _fitted_encoders(self, train: Dataset) -> Encoders:
        """The encoders of features, which are fitted when a model first asks for them."""
        if self._encoders is None:
            self._encoders = Encoders.fit(train)
        return self._encoders

    def _warm_started(self, network: Network, train: Dataset) -> Network:
        """The network, with the rows copied from the model of a warm start, if there is one."""
        earlier_model = self._start_from
        if earlier_model is None:
            return network
        pairs = zip(self.encoders or (), earlier_model.encoders or (), strict=False)
        encoders = [(new, old) for new, old in pairs if new is not None and old is not None]
        return warm_started(network, train, earlier_model.state(), earlier_model.dataset, encoders)

    def _require_finite(self) -> None:
        """Raises FloatingPointError if a parameter or a score is NaN or infinite."""
        longest = int(self.dataset.user_counts.argmax())
        scores = self.score(UserBatch.known(self.dataset, np.array([longest])))
        for name, tensor in {**self.state(), "a score": scores}.items():
            if not is_finite(tensor):
                raise FloatingPointError(f"{name} is NaN or infinite")

    def _split_as_read(self, split: Split) -> Split:
        """The split with its training data as the model reads them (see `reads_order`)."""
        return split if self.reads_order else split.in_pairs

    def _as_read(self, users: UserBatch) -> UserBatch:
        """The users with their histories as the model reads them (see `reads_order`).

        Items that say nothing about a taste are left out, so that they neither add untrained
        vectors nor make other events seem older.
        """
        is_informative = self._are_informative(users.items)
        if not is_informative.all():
            users = users.keeping(is_informative)
        is_in_pairs = self.reads_order or self.split.train.rules.repeats != "keep"
        return users if is_in_pairs else users.merged()

    def _as_batch(self, users: UserBatch | Ids | Id) -> UserBatch:
        return users if isinstance(users, UserBatch) else self.users(as_list(users))

    def _are_informative(self, items: np.ndarray) -> np.ndarray:
        """(m,) bool: whether a user's taste can be inferred from items (m,), given as codes.

        By default from those with interactions in training; a model that reads item features adds
        the items that have some.
        """
        return self.dataset.item_counts[items] > 0

    def _known_by_features(self, users: UserBatch) -> np.ndarray:
        """(n,) bool: the users of whom the model reads a known feature; by default none."""
        return np.zeros(len(users), dtype=bool)

    def _popularity(self) -> torch.Tensor:
        counts = torch.from_numpy(self.dataset.item_counts.astype(np.float32))
        return counts.to(self.device)
