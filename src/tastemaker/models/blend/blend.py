"""Blend: ranks by the weighted sum of the standardised scores of several models.

Christopher C. Vogt and Garrison W. Cottrell, 1999: Fusion Via a Linear Combination of Scores
(Information Retrieval). The scores are standardised as in Mark Montague and Javed A. Aslam, 2001:
Relevance Score Normalization for Metasearch (CIKM).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import UnsupportedError
from tastemaker.models.blend.config import NAME, BlendConfig
from tastemaker.models.blend.weighing import K, best_weights, deviations, standardised
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import model_class
from tastemaker.models.space import Space
from tastemaker.models.validation import own_held_out
from tastemaker.ranking.similarity import ItemSimilarity
from tastemaker.training.run import TrainingLog, TrainingRun


class Blend(Recommender):
    """The weighted sum of the scores of several models, which can rank better than each alone.

    Each part is trained on its own. Its scores of a user have a mean of 0 and a standard deviation
    of 1 over the catalog before they are added up, since the scores of different models have
    different units. If a part was trained with a softmax loss, its probabilities are standardised
    instead of its logits, in which the most likely items would hardly stand out beside those of a
    linear model. By default, the weights are those with the highest NDCG@10 on the validation
    part.

    Each part scores unseen users and changed histories in its own way; to a user about whom it has
    learned nothing, it gives the popularity of the items. The blend reads everything that one of
    its parts reads: order, weights and features.
    """

    name = NAME
    config_class = BlendConfig
    config: BlendConfig

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        super().__init__(config, **settings)
        self.parts: dict[str, Recommender] = {
            name: model_class(name)(part) for name, part in self.config.of_parts.items()
        }
        """The models that are blended, by name."""
        self.uses_weights = any(part.uses_weights for part in self.parts.values())
        self.reads_order = any(part.reads_order for part in self.parts.values())
        self.trains_in_processes = all(part.trains_in_processes for part in self.parts.values())

    @classmethod
    def space_with(cls, settings: Mapping[str, Any]) -> Space:
        """The settings worth tuning of all parts, as in `ease.regularization`."""
        return {
            f"{name}.{setting}": span
            for name in BlendConfig.of(dict(settings), NAME).parts
            for setting, span in model_class(name).space.items()
        }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        earlier = self._start_from.parts if isinstance(self._start_from, Blend) else {}
        for name, part in self.parts.items():
            part._trained_on(split, run.of_part(name), earlier.get(name))
            if part.log.interrupted:
                raise KeyboardInterrupt
            self._encoders = self._encoders or part.encoders
        weights, origin = self._weigh(split, run)
        self._weights = (weights / weights.sum()).float()
        pairs = zip(self.parts, self._weights.tolist(), strict=True)
        shown = ", ".join(f"{name} {weight:.2f}" for name, weight in pairs)
        logs = {name: part.log for name, part in self.parts.items()}
        of_parts = (note for log in logs.values() for note in log.notes)
        own = f"weights of the parts: {shown} ({origin})"
        self.log = TrainingLog(parts=logs, notes=(*of_parts, own))

    def _weigh(self, split: Split, run: TrainingRun) -> tuple[torch.Tensor, str]:
        """Returns (n_parts,) weights of the fitted parts, and where they come from."""
        if self.config.weights is not None:
            return torch.tensor(self.config.weights, dtype=torch.float64), "as given"
        held_out = own_held_out(split)
        if held_out is not None:
            weights, value = best_weights(
                self._scores_of_parts, len(self.parts), split, held_out, run.on_progress
            )
            return weights, f"the best on the validation part, with an NDCG@{K} of {value:.4f}"
        earlier = self._start_from
        if isinstance(earlier, Blend) and earlier.parts.keys() == self.parts.keys():
            return torch.tensor([earlier.part_weights[name] for name in self.parts]), "as before"
        return torch.ones(len(self.parts)), "equal, since there is no validation part"

    @property
    def part_weights(self) -> dict[str, float]:
        """The weight of each part, by its name; their sum is 1.

        Raises:
            ConfigError: the model is not fitted.
        """
        _ = self.split  # raises the error
        return dict(zip(self.parts, self._weights.tolist(), strict=True))

    @property
    def _weighted_parts(self) -> list[tuple[Recommender, float]]:
        """The parts whose weight is not 0, with their weights."""
        pairs = zip(self.parts.values(), self._weights.tolist(), strict=True)
        return [(part, weight) for part, weight in pairs if weight > 0]

    def _scores_of_parts(self, users: UserBatch) -> torch.Tensor:
        """Returns (n_parts, n, n_items) float32 standardised scores on `device`."""
        parts = self.parts.values()
        return torch.stack([standardised(_scores(part, users)).to(self.device) for part in parts])

    def _score(self, users: UserBatch) -> torch.Tensor:
        scores = torch.zeros(len(users), self.dataset.n_items, device=self.device)
        for part, weight in self._weighted_parts:
            scores.add_(standardised(_scores(part, users)).to(self.device), alpha=weight)
        return scores

    def is_cold(self, users: UserBatch) -> np.ndarray:
        """Which users are cold for all parts: (n,) bool; see `Recommender.is_cold`."""
        return np.logical_and.reduce([part.is_cold(users) for part in self.parts.values()])

    def _are_informative(self, items: np.ndarray) -> np.ndarray:
        parts = self.parts.values()
        return np.logical_or.reduce([part._are_informative(items) for part in parts])

    @property
    def device(self) -> torch.device:
        """The device of the parts, or the CPU if they are not all on the same one."""
        devices = {part.device for part in self.parts.values()}
        return devices.pop() if len(devices) == 1 else torch.device("cpu")

    @property
    def item_vectors(self) -> torch.Tensor | None:
        """The vectors of the first part that has some; None if none has."""
        vectors = (part.item_vectors for part in self.parts.values())
        return next((each for each in vectors if each is not None), None)

    @property
    def item_similarity(self) -> ItemSimilarity:
        """The similarity of items by the first part that provides one.

        Raises:
            UnsupportedError: no part does.
        """
        for part in self.parts.values():
            with suppress(UnsupportedError):
                return part.item_similarity
        raise UnsupportedError(
            f"{self.name} does not provide the similarity of items, since none of its parts does: "
            f"{', '.join(self.parts)}"
        )

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Implements `Recommender.contributions` by the parts whose scores are sums over a history.

        Their contributions are divided by the standard deviation of the user's scores and
        multiplied by the weight of the part, as the scores are. If all parts with a weight have
        such scores, the contributions of a history add up to the score of an item, but for a number
        that is the same for all items. If no part has, they are the similarity of the items.
        """
        sums = [
            (part, weight)
            for part, weight in self._weighted_parts
            if type(part).contributions is not Recommender.contributions
        ]
        if not sums:
            return super().contributions(history, items, weights)
        user = UserBatch(
            np.array([UNKNOWN]), history.numpy(), np.array([0, len(history)]),
            weights=None if weights is None else weights.numpy(),
        )  # fmt: skip
        total = torch.zeros(len(items), len(history))
        for part, weight in sums:
            read, is_read = part._as_read(user), part._are_informative(user.items)
            own = None if read.weights is None else torch.from_numpy(read.weights)
            terms = part.contributions(torch.from_numpy(read.items), items, own).cpu()
            total[:, is_read] += weight * terms / deviations(part.score(user)).cpu()
        return total

    def refuse_processes(self) -> None:
        """Checks each part; the error names the part that several processes cannot train."""
        for part in self.parts.values():
            part.refuse_processes()

    def notes_on(self, data: Dataset, *, strict: bool = False) -> tuple[str, ...]:
        """Returns the notes of all parts; see `Recommender.notes_on`."""
        parts = self.parts.values()
        return tuple(note for part in parts for note in part.notes_on(data, strict=strict))

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `weights`, (n_parts,) float32, and the state of each part, as in `ease.weights`.

        Its names begin with the name of the part and a dot.
        """
        states = ((name, part.state()) for name, part in self.parts.items())
        return {"weights": self._weights} | {
            f"{name}.{key}": tensor for name, state in states for key, tensor in state.items()
        }

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._weights = state["weights"]
        for name, part in self.parts.items():
            own = {
                key.removeprefix(f"{name}."): tensor
                for key, tensor in state.items()
                if key.startswith(f"{name}.")
            }
            self.parts[name] = type(part).from_state(
                part.config, self.split, own, device, self._encoders
            )


def _scores(part: Recommender, users: UserBatch) -> torch.Tensor:
    """Returns (n, n_items) scores, which are probabilities where the part's scores are logits."""
    scores = part.score(users)
    if not part.scores_are_logits:
        return scores
    # The scores of a cold user are the popularity of the items.
    is_cold = torch.from_numpy(part.is_cold(users)).to(scores.device)
    return scores.softmax(dim=1).where(~is_cold[:, None], scores)
