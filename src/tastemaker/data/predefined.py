"""A ready-made split, such as a published one, used exactly as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset, pointers
from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.extending import extended
from tastemaker.data.folding import pair_keys
from tastemaker.data.interactions import Interactions
from tastemaker.data.log_rules import Repeats
from tastemaker.data.notes import reports_notes
from tastemaker.data.split import Candidates, Split, Targets
from tastemaker.data.user_table import UserTable
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import DataError, SplitError


@reports_notes
def predefined_split(
    train: Interactions,
    test: Interactions,
    *,
    validation: Interactions | None = None,
    histories: Interactions | None = None,
    candidates: Interactions | pl.DataFrame | None = None,
    catalog: Catalog | None = None,
    untouched_items: bool = False,
    user_table: UserTable | None = None,
    repeats: Repeats | None = None,
    repeat_targets: bool | None = None,
) -> Split:
    """Combines ready-made parts into one split.

    The vocabularies cover all parts, so that an item without training interactions can still be a
    candidate.

    Args:
        train: interactions for training.
        test: interactions for evaluation.
        validation: interactions for tuning.
        histories: interactions that are not trained on, but known before all held-out ones, such
            as the histories of users who are not in training: their held-out interactions are
            predicted from these alone.
        candidates: items against which each user's held-out item is ranked, from
            `read_candidate_lists` or as a table with user_id and a list column item_id. The
            held-out item itself need not be listed.
        catalog: titles, categories, images and features of the items.
        untouched_items: include the items that only the catalog lists.
        user_table: features of the users.
        repeats: how the rows of a (user, item) pair are merged in training, as for `read`.
        repeat_targets: whether a held-out pair that is also in an earlier part is evaluated; by
            default only with repeats="keep". Otherwise it is left out of the later part, and a note
            gives the number of such pairs.

    Raises:
        SplitError: all interactions of a held-out part are also in an earlier part, a user of a
            held-out part has no history, a test user has no candidates, or only one of the
            training data and the histories has times or kinds of events.
        DataError: the ids of the parts or of the catalog are of different types, no id of the
            catalog is an item, or a kind of event means something else in one part than in another.
    """
    given = {"train": train, "test": test, "validation": validation, "histories": histories}
    named = _with_common_kinds({name: part for name, part in given.items() if part is not None})
    train, histories = named["train"], named.get("histories")
    pairs = candidates.frame if isinstance(candidates, Interactions) else _pairs(candidates)
    users, items = _vocabularies(list(named.values()), pairs)
    dataset = Dataset.from_interactions(
        train, catalog, user_vocabulary=users, item_vocabulary=items,
        untouched_items=untouched_items, user_table=user_table, repeats=repeats,
        repeat_targets=repeat_targets,
    )  # fmt: skip
    items = dataset.item_vocabulary
    held_out = [_held_out(named[name], dataset) for name in ("test", "validation") if name in named]
    further = None if histories is None else _further_rows(histories, dataset)
    known = dataset.folded() if further is None else extended(dataset.folded(), [further])
    notes: list[str] = []
    if not dataset.rules.repeat_targets:
        held_out, notes = _without_repeats(known.of_targets, held_out)
    for targets in held_out:
        _refuse_unseen_users(known, targets)
    lists = None if pairs is None else _candidates(pairs, users, items)
    if lists is not None:
        _refuse_missing_lists(dataset, held_out[0], lists)
    return Split(
        dataset,
        held_out[0],
        held_out[1] if validation is not None else None,
        lists,
        histories=further,
        method="given files",
        notes=(*_notes(train, {**given, "candidates": candidates}), *notes),
    )


def _notes(train: Interactions, others: Mapping[str, object]) -> tuple[str, ...]:
    """Returns the notes on the other parts that are not the same for the training part."""
    return tuple(
        f"{part}: {note}"
        for part, interactions in others.items()
        if isinstance(interactions, Interactions)
        for note in interactions.notes
        if note not in train.notes
    )


def _with_common_kinds(parts: Mapping[str, Interactions]) -> dict[str, Interactions]:
    """Returns the parts with the same codes of kinds of events.

    Each part was read alone, so its codes count the kinds that occur in it.

    Raises:
        DataError: a kind has another weight or role in one part than in an earlier one.
    """
    kinds: EventKinds | None = None
    first = ""
    for name, part in parts.items():
        if part.kinds is not None:
            first = first or name
            kinds = part.kinds if kinds is None else kinds.united(part.kinds, first, name)
    if kinds is None:
        return dict(parts)
    return {name: part.with_kinds(kinds) for name, part in parts.items()}


def _pairs(lists: pl.DataFrame | None) -> pl.DataFrame | None:
    """Returns one row for each pair of a user and a candidate."""
    if lists is None:
        return None
    pairs = lists.filter(pl.col("item_id").list.len() > 0).explode("item_id")
    if pairs["user_id"].null_count() or pairs["item_id"].null_count():
        raise DataError("candidates: a user id or an item id is missing; remove the nulls")
    return pairs


def _vocabularies(
    parts: Sequence[Interactions], pairs: pl.DataFrame | None
) -> tuple[Vocabulary, Vocabulary]:
    user_columns = [part.frame["user_id"] for part in parts]
    item_columns = [part.frame["item_id"] for part in parts]
    if pairs is not None:
        item_columns.append(_as_int64_if_integers(pairs["item_id"], item_columns[0]))
    return Vocabulary.of(*user_columns, kind="user"), Vocabulary.of(*item_columns, kind="item")


def _as_int64_if_integers(column: pl.Series, other: pl.Series) -> pl.Series:
    """Returns the column as Int64 if both are integers of any width, otherwise unchanged."""
    return (
        column.cast(pl.Int64) if column.dtype.is_integer() and other.dtype.is_integer() else column
    )


def _held_out(part: Interactions, train: Dataset) -> Targets:
    """Returns the interactions of a held-out part as targets; as in training, a pair counts once.

    Raises:
        SplitError: no interaction is of a target kind.
    """
    held_out = Dataset.from_interactions(
        part, user_vocabulary=train.user_vocabulary, item_vocabulary=train.item_vocabulary
    )
    asked = held_out.folded().of_targets
    if len(asked) == 0:
        raise SplitError(f"{part.name}: no interaction is of a kind that is a target")
    return Targets.of(asked)


def _further_rows(part: Interactions, train: Dataset) -> Dataset:
    """Returns the rows of a part, to be merged by the rules of the training data.

    Raises:
        SplitError: times or kinds of events are in one of the two alone.
    """
    rows = Dataset.from_interactions(
        part, user_vocabulary=train.user_vocabulary, item_vocabulary=train.item_vocabulary
    )
    for name, column in (("times", "timestamps"), ("kinds of events", "kinds")):
        if (getattr(rows, column) is None) != (getattr(train, column) is None):
            raise SplitError(
                f"{part.name}: either the histories or the training data alone have {name}; "
                "give both of them, or neither, this column"
            )
    return replace(rows, rules=train.rules, is_log=True)


def _without_repeats(
    train: Dataset, held_out: Sequence[Targets]
) -> tuple[list[Targets], list[str]]:
    """Returns the test and any validation targets without pairs of earlier parts, and notes.

    Raises:
        SplitError: nothing is left of a part.
    """
    known = pair_keys(train.users, train.items, train.n_items)
    kept, notes = {}, []
    names = ("test", "validation")[: len(held_out)]
    for name, targets in reversed(list(zip(names, held_out, strict=True))):
        pairs = pair_keys(targets.users, targets.items, train.n_items)
        new = ~np.isin(pairs, known)
        if not new.any():
            raise SplitError(
                f"{train.name}: each of the {len(new):,} {name} interactions is with an item that "
                "the user has in an earlier part, so nothing is left to evaluate"
            )
        kept[name] = targets.at(new)
        if not new.all():
            notes.append(
                f"{int((~new).sum()):,} of the {len(new):,} {name} interactions repeat an item "
                "that the user has in an earlier part; they are left out "
                "(repeat_targets=True evaluates them)"
            )
        known = np.concatenate([known, pairs])
    return [kept[name] for name in names], notes


def _candidates(pairs: pl.DataFrame, users: Vocabulary, items: Vocabulary) -> Candidates:
    user_codes = users.find(_as_int64_if_integers(pairs["user_id"], users.ids))
    item_codes = items.encode(_as_int64_if_integers(pairs["item_id"], items.ids))
    known = user_codes >= 0
    order = np.argsort(user_codes[known], kind="stable")
    ordered = user_codes[known][order]
    return Candidates(item_codes[known][order], pointers(ordered, len(users)))


def _refuse_unseen_users(known: Dataset, test: Targets) -> None:
    unseen_users = known.user_counts[test.users] == 0
    if unseen_users.any():
        first = known.user_vocabulary.ids[int(test.users[unseen_users.argmax()])]
        raise SplitError(
            f"{int(unseen_users.sum()):,} held-out interactions are of users without training "
            f"interactions (first: user {first}), so a model knows nothing about these users; "
            "remove them, or give what they did before with histories=…"
        )


def _refuse_missing_lists(train: Dataset, test: Targets, lists: Candidates) -> None:
    missing = np.diff(lists.indptr)[test.users] == 0
    if missing.any():
        first = train.user_vocabulary.ids[int(test.users[missing.argmax()])]
        raise SplitError(
            f"{int(missing.sum()):,} test users have no list of candidates (first: user {first}); "
            "give a list for every test user, or leave out the candidates"
        )
