"""Evaluation: what came of a model under a protocol, user by user."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of one model on one part of one split under one protocol."""

    model: str
    dataset: str
    fingerprint: str
    """Of the training data."""
    split: str
    """How it was held out."""
    part: str
    protocol: str
    users: np.ndarray
    """(n_users,) int64 codes of the users that were asked about."""
    ranks: np.ndarray
    """(n_targets,) int64 ranks of the held-out items, from 1, by user."""
    indptr: np.ndarray
    """(n_users + 1,) pointers into ranks."""
    per_user: dict[str, np.ndarray]
    """Metric name, as `ndcg@10`, to (n_users,) float64."""
    baselines: dict[str, "Evaluation"] = field(default_factory=dict)
    """The same question put to simple models, by name."""

    @property
    def n_users(self) -> int:
        """How many users were asked about."""
        return len(self.users)

    @property
    def metrics(self) -> dict[str, float]:
        """The mean of each metric over the users."""
        return {name: float(values.mean()) for name, values in self.per_user.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: means, and those of the baselines beside them."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "part": self.part,
            "protocol": self.protocol,
            "n_users": self.n_users,
            "metrics": self.metrics,
            "baseline": {name: baseline.metrics for name, baseline in self.baselines.items()},
        }

    def __str__(self) -> str:
        columns = {self.model: self.metrics} | {n: b.metrics for n, b in self.baselines.items()}
        width = max(12, *(len(name) + 2 for name in columns))
        lines = [
            f"{self.dataset}, {self.split}, {self.part}: {self.protocol}; {self.n_users:,} users",
            " " * 14 + "".join(f"{name:>{width}}" for name in columns),
        ]
        for metric in self.per_user:
            values = "".join(f"{means[metric]:>{width}.4f}" for means in columns.values())
            lines.append(f"{metric:<14}{values}")
        return "\n".join(lines)
