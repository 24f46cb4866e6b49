"""The current features of users: those that were sent, beside those of the training."""

from collections.abc import Mapping
from typing import Any

from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_values import known_features, refuse_wrong_values
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError


def current_features(
    everything: Dataset, code: int, sent: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Returns the features of a user by name, as a `UserBatch` has them.

    A feature that was not sent, or that the run does not know, has its value in the training data.

    Args:
        everything: all data of the run.
        code: the user's code; UNKNOWN for an unseen user.
        sent: the features that were sent since the training; None or empty if none were.

    Returns:
        None if they are those of the training data.
    """
    table = everything.user_table
    if not sent or table is None:
        return None
    changed = known_features(table, sent)
    return (trained_features(everything, code) or {}) | changed if changed else None


def trained_features(everything: Dataset, code: int) -> dict[str, Any] | None:
    """Returns the features that a user has in the training data; None if there are none."""
    table = everything.user_table
    if table is None or code == UNKNOWN:
        return None
    return known_features(table, table.frame.row(code, named=True)) or None


def refuse_wrong_features(everything: Dataset, features: Mapping[str, Any]) -> None:
    """Checks the features of a user.

    Raises:
        ConfigError: the run has no features of users, or not this one, or a value is not of the
            kind of its feature.
    """
    if everything.user_table is not None:
        refuse_wrong_values(everything.user_table, features)
    elif features:
        raise ConfigError(
            f'the users have no feature "{next(iter(features))}", since the model was trained '
            "without a table of users; train with one that has this column"
        )
