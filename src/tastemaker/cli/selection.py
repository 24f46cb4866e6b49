"""Determines from options the users to recommend to and the items that are eligible."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tastemaker.errors import ConfigError

if TYPE_CHECKING:
    from tastemaker.cluster.shard import Shard
    from tastemaker.data.dataset import Dataset
    from tastemaker.data.user_range import UserRange
    from tastemaker.data.users import UserBatch
    from tastemaker.data.vocabulary import Vocabulary
    from tastemaker.models.recommender import Recommender
    from tastemaker.ranking.filters import Eligible

FILE_ENDINGS = (".txt", ".csv", ".tsv", ".list", ".ids")
"""Endings by which a text that is neither an item nor a file is taken for the name of a file."""


def selected_users(
    model: "Recommender", user: list[str], users: Path | None, everyone: bool, history: str | None
) -> "UserBatch | UserRange":
    """The users that exactly one of the options gives.

    Raises:
        ConfigError: none or several of the options are given, or a file cannot be read.
        UnknownIdError: a user or an item is not in the data.
    """
    from tastemaker.data.user_range import UserRange

    is_given = [bool(user), users is not None, everyone, history is not None]
    if sum(is_given) != 1:
        raise ConfigError("give exactly one of --user, --users FILE, --all and --history")
    vocabulary = model.dataset.user_vocabulary
    if everyone:
        return UserRange.whole(model.split)
    if history is not None:
        return model.unseen_users([model.dataset.item_vocabulary.parse(_split_at_commas(history))])
    if users is not None:
        user = _lines_of(users, "user id")
    return model.users(vocabulary.parse(user))


def selected_shard(shard: str | None, out_file: Path | None, *, everyone: bool) -> "Shard | None":
    """The shard that --shard gives; None if it is not given.

    Raises:
        ConfigError: the text is not a shard; or --all is not given, or --out is not a folder.
    """
    from tastemaker.cluster.shard import Shard

    if shard is None:
        return None
    selected = Shard.parse(shard)
    if not everyone or out_file is None:
        raise ConfigError("--shard writes lists for all users: give --all, and a folder with --out")
    if out_file.suffix in (".parquet", ".csv", ".jsonl"):
        raise ConfigError(f"{out_file}: with --shard, give a folder, such as {out_file.stem}/")
    return selected


def refuse_on_ray(out_file: Path | None, shard: str | None, *, everyone: bool) -> None:
    """Raises ConfigError if these options cannot be combined with --ray."""
    if shard is not None:
        raise ConfigError("--ray computes all shards; leave out --shard")
    if not everyone or out_file is None:
        raise ConfigError("--ray writes lists for all users: give --all and --out")


def eligible_items(
    dataset: "Dataset", category: list[str], only: str | None, never: list[str]
) -> "Eligible | None":
    """The items that --category, --only and --never allow; None if none of them is given.

    Raises:
        ConfigError: a file cannot be read, or is empty.
        UnknownIdError: an item is not a whole number where ids are whole numbers.
    """
    from tastemaker.ranking.filters import Eligible

    if not (category or only is not None or never):
        return None
    vocabulary = dataset.item_vocabulary
    parse = vocabulary.parse
    return Eligible(
        categories=category,
        only=None if only is None else parse(_items_in(only, vocabulary)),
        never=parse(item for text in never for item in _items_in(text, vocabulary)),
    )


def _items_in(text: str, vocabulary: "Vocabulary") -> Iterable[str]:
    """Ids separated by commas, or, if the text is the path of a file, those on its lines.

    Raises:
        ConfigError: the text is a file name, but not that of a file, or the file cannot be read.
    """
    # Path.is_file raises an error for a list of ids that is longer than the name of a file may be.
    if os.path.isfile(text):  # noqa: PTH113
        return _lines_of(Path(text), "item id")
    if Path(text).suffix in FILE_ENDINGS and vocabulary.code_of(text) < 0:
        raise ConfigError(f"{text}: there is no such file, and no such item")
    return _split_at_commas(text)


def _split_at_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _lines_of(path: Path, what: str) -> list[str]:
    try:
        lines = [
            line.strip()
            for line in path.read_text(encoding="utf-8-sig").splitlines()
            if line.strip()
        ]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    if not lines:
        raise ConfigError(f"{path}: contains no {what}")
    return lines
