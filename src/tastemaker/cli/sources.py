"""Makes a data set and a split from options of the command line."""

from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tastemaker.cli import options
from tastemaker.cli.common import err, note
from tastemaker.data.candidate_lists import read_candidate_lists
from tastemaker.data.dataset import Dataset
from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.file_kinds import is_database_url, options_for, refuse_impossible_path
from tastemaker.data.filtering import k_core, sample_users
from tastemaker.data.ids import IdKind
from tastemaker.data.interactions import Interactions
from tastemaker.data.log_rules import LogRules
from tastemaker.data.missing import MISSING, Values
from tastemaker.data.movielens import ARCHIVES, is_movielens
from tastemaker.data.predefined import predefined_split
from tastemaker.data.sources import NAMES, load, read, read_interactions
from tastemaker.data.split import Split
from tastemaker.data.splitting import leave_k_out, no_holdout, temporal
from tastemaker.data.tables import read_tables
from tastemaker.data.text_format import SHARED_WITH_ITEMS
from tastemaker.data.weights import Weighting
from tastemaker.errors import ConfigError


@dataclass(frozen=True)
class DataOptions(options.Reading):
    """How data are read: the options of `options.Reading`, and two options of verbs."""

    seed: int | None = None
    from_events: str | None = None
    """URL of a service's database whose events are added to DATA; an option of train alone."""

    @property
    def text(self) -> dict[str, Any]:
        """The format of text files; see `text_options`."""
        return text_options(self)

    @property
    def columns(self) -> dict[str, Any]:
        """The names of the columns, the format of times, and what events weigh."""
        names = (
            "user", "item", "time", "rating", "event", "weight", "weight_transform", "time_format",
        )  # fmt: skip
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.event_weights is not None:
            given["event_weights"] = _weights_of_kinds(self.event_weights)
        lists = {"targets": self.targets, "negative": self.negative}
        return given | {
            name: _kinds_named(f"--{name}", value)
            for name, value in lists.items()
            if value is not None
        }

    @property
    def values(self) -> dict[str, Any]:
        """The arguments on ids and missing values for every function that reads ids."""
        given = {} if self.missing is None else {"missing": self.missing}
        return given | {"drop_missing": self.drop_missing, "ids": self.ids}

    def dataset(self, data: str | None) -> Dataset:
        """Loads DATA of any kind, reduces it to the requested part, and adds the events, if any."""
        if self.from_events is not None:
            if data is None:
                return _with_events(None, self.from_events, self._rules_of_events())
            return _with_events(self._reduced(data), self.from_events, None)
        if data is None:
            raise ConfigError(
                "DATA is missing; give it, or a ready-made split with --train and --test"
            )
        return self._reduced(data)

    def _reduced(self, data: str) -> Dataset:
        dataset = all_data = self._read(data)
        if self.sample_users is not None:
            dataset = sample_users(dataset, self.sample_users, seed=self.seed or 0)
        if self.k_core is not None:
            dataset = k_core(dataset, self.k_core)
        if self.untouched_items:
            # The part has lost the items that none of its users touched.
            dataset = dataset.with_catalog(all_data.catalog, untouched_items=True)
        return dataset

    def interactions(self, path: Path) -> Interactions:
        """Reads one part of a ready-made split; its name is that of its folder."""
        name = path.resolve().parent.name
        return read_interactions(
            path, name=name, layout=self.layout, **self.columns, **self.values, **self.text
        )

    def candidates(self, path: Path) -> Interactions:
        """Reads the candidates of a ready-made split."""
        return read_candidate_lists(path, **self.values, **self._text_for(path))

    def _text_for(self, source: str | Path) -> dict[str, Any]:
        """The options on text that apply to a table beside the interactions."""
        return {name: self.text[name] for name in options_for(source) if name in self.text}

    @property
    def tables(self) -> dict[str, Any]:
        """The tables of the items and users, their id columns, and the kinds of their features."""
        names = ("items", "item_id", "items_query", "vectors", "users", "user_id")
        given = {name: getattr(self, name) for name in names}
        given["features"] = _kinds("--feature", self.feature)
        return given | {"user_features": _kinds("--user-feature", self.user_feature)}

    def _rules_of_events(self) -> LogRules:
        """The rules for events without DATA, by the options on kinds, values and repeats."""
        named = self.columns
        kinds = {name: named[name] for name in ("event_weights", "targets", "negative")
                 if name in named}  # fmt: skip
        transform = None if self.weight_transform in (None, "auto") else self.weight_transform
        weighting = Weighting(transform or "none", EventKinds.of(**kinds) if kinds else None)
        return LogRules.of(
            self.repeats, self.repeat_targets, kinds=weighting.kinds, weight_transform=transform,
            weighted=transform is not None,
        )  # fmt: skip

    @property
    def rules(self) -> dict[str, Any]:
        """The arguments on what is kept and how rows are merged."""
        names = ("min_rating", "repeats", "repeat_targets", "untouched_items")
        return {name: getattr(self, name) for name in names}

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `read`, except those on what is kept."""
        source = {"query": self.query, "layout": self.layout}
        return source | self.tables | self.columns | self.values | self.text

    def to_prepare(self, data: str) -> dict[str, Any]:
        """Returns the arguments of `prepare`.

        Raises:
            ConfigError: DATA is a named data set, or an option selects a part of the data.
        """
        refuse_impossible_path(data)
        if data in NAMES or (not is_database_url(data) and is_movielens(data)):
            raise ConfigError(f"{data} needs no preparation: give it to the other verbs as it is")
        for name in ("sample_users", "k_core"):
            if getattr(self, name) is not None:
                raise ConfigError(
                    f"--{name.replace('_', '-')} selects a part of the data when they are used; "
                    "leave it out here, and give it then"
                )
        return self.arguments | self.rules

    def _read(self, data: str) -> Dataset:
        refuse_impossible_path(data)
        if not is_database_url(data) and (data in NAMES or is_movielens(data)):
            if data in NAMES and Path(data).exists():
                note(f"{data} is the built-in data set; write ./{data} for the file or folder here")
            return self._named(data, self.rules)
        if _is_misspelt_name(data):
            return load(data)  # raises, naming the nearest data set
        return read(data, **self.arguments, **self.rules)

    def _named(self, data: str, rules: dict[str, Any]) -> Dataset:
        refused = self.columns | self.text
        names = (
            "items", "item_id", "items_query", "feature", "vectors", "users", "user_id",
            "user_feature", "query", "layout", "missing", "drop_missing", "ids",
        )  # fmt: skip
        refused |= {name: getattr(self, name) for name in names if getattr(self, name)}
        if refused:
            raise ConfigError(
                f"{data}: how to read it is known; leave out {_flag(next(iter(refused)))}"
            )
        if data not in ARCHIVES:
            return load(data, **rules)
        with Progress(
            TextColumn("downloading {task.description}"), BarColumn(), DownloadColumn(),
            TransferSpeedColumn(), console=err, transient=True,
        ) as progress:  # fmt: skip
            task = None

            def on_bytes(done: int, total: int | None) -> None:
                nonlocal task
                task = progress.add_task(data) if task is None else task
                progress.update(task, completed=done, total=total)

            return load(data, on_bytes=on_bytes, **rules)


def text_options(reading: options.Reading | options.TableReading) -> dict[str, Any]:
    """Returns the options on text files that differ from the defaults of `TextFormat`."""
    names = ("separator", "quoting", "encoding", "comment", "decimal")
    given = {name: getattr(reading, name) for name in names if getattr(reading, name) is not None}
    return given | ({"has_header": False} if reading.no_header else {})


def values_of_table(reading: options.TableReading, ids: IdKind | None = None) -> Values:
    """Returns the rules on missing values and on the type of ids for a table."""
    missing = MISSING if reading.missing is None else reading.missing
    return Values(missing, reading.drop_missing, ids)


def _is_misspelt_name(data: str) -> bool:
    """Whether DATA is no file, pattern or database, and has no ending as a file would."""
    is_source = data == "-" or is_database_url(data) or has_magic(data) or Path(data).exists()
    return not is_source and not Path(data).suffix


def _names(text: str) -> list[str]:
    """Splits names at commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _kinds_named(option: str, text: str) -> list[str]:
    """Splits kinds of events at commas.

    Raises:
        ConfigError: there is none.
    """
    kinds = _names(text)
    if not kinds:
        raise ConfigError(f"{option} names no kind of event; name one, or leave out the option")
    return kinds


def _kinds(option: str, given: list[str] | None) -> dict[str, str]:
    """Reads `price:number` as the kind of a feature by column.

    Raises:
        ConfigError: a text is not a column, ":" and a kind.
    """
    kinds = {}
    for text in given or ():
        column, colon, kind = text.rpartition(":")
        if not (column and colon and kind):
            raise ConfigError(f'{option}: "{text}" is not a column with its kind, as price:number')
        kinds[column] = kind
    return kinds


def _weights_of_kinds(text: str) -> dict[str, float]:
    """Reads `view=1,cart=4` as weights by kind of event.

    Raises:
        ConfigError: a part is not a kind, "=" and a number, a kind occurs twice, or there is none.
    """
    weights: dict[str, float] = {}
    for part in _kinds_named("--event-weights", text):
        kind, equals, weight = (piece.strip() for piece in part.rpartition("="))
        if kind in weights:
            raise ConfigError(f'--event-weights gives "{kind}" two weights; give it one')
        try:
            weights[kind] = float(weight)
        except ValueError:
            equals = ""
        if not (kind and equals):
            raise ConfigError(
                f'--event-weights: "{part}" is not a kind with its weight, such as purchase=10'
            )
    return weights


def _flag(name: str) -> str:
    """An option as written on the command line."""
    others = {"has_header": "--no-header", "validation": "--[no-]validation"}
    return others.get(name, f"--{name.replace('_', '-')}")


def _with_events(base: Dataset | None, url: str, rules: LogRules | None) -> Dataset:
    """The data, if given, with the events, items and users that a service has stored."""
    # Imported here, since training without events needs no database.
    from tastemaker.serving.learning.event_data import with_events
    from tastemaker.serving.store.database import Database

    with Database(url) as database:
        database.migrate()
        return with_events(base, database, rules)


USED_BY = {
    "leave-one-out": ("by", "validation"),
    "leave-k-out": ("by", "hold_out", "validation"),
    "temporal": ("test_fraction", "validation"),
    "none": (),
}
"""The options that each method of --split uses."""


@dataclass(frozen=True)
class SplitOptions(options.HoldingOutForTest):
    """How data are split: the options, and the seed of the verb."""

    seed: int | None = None

    def split_of(self, data: str | None, source: DataOptions) -> Split:
        """Splits DATA, or assembles a ready-made split; prints notes on the decisions made."""
        split = self._split_of(data, source)
        for line in (*split.train.notes, *split.notes):
            note(line)
        return split

    def _split_of(self, data: str | None, source: DataOptions) -> Split:
        if self.train is not None:
            return self._predefined(data, source)
        parts = ("test", "valid", "histories", "candidates")
        misplaced = next((name for name in parts if getattr(self, name)), None)
        if misplaced is not None:
            raise ConfigError(f"--{misplaced} belongs to a ready-made split; give --train as well")
        method = self.split or "leave-one-out"
        given = self._given()
        unused = next((name for name in given if name not in USED_BY[method]), None)
        if unused is not None:
            methods = [f"--split {name}" for name, names in USED_BY.items() if unused in names]
            raise ConfigError(
                f"{_flag(unused)} has no effect with --split {method}; leave it out, or give "
                f"{' or '.join(methods)}"
            )
        dataset = source.dataset(data)
        if method == "none":
            return no_holdout(dataset)
        if method == "temporal":
            return temporal(dataset, **given)
        k = 1 if method == "leave-one-out" else given.pop("hold_out", 5)
        return leave_k_out(dataset, k, seed=self.seed or 0, **given)

    def _given(self) -> dict[str, Any]:
        """The given options on how a method holds out interactions."""
        names = ("by", "hold_out", "test_fraction", "validation")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _predefined(self, data: str | None, source: DataOptions) -> Split:
        if data is not None:
            raise ConfigError(f"give either DATA ({data}) or --train and --test, not both")
        if self.train is None or self.test is None:
            raise ConfigError("a ready-made split needs both --train and --test")
        unused = ("min_rating", "sample_users", "k_core", "query")
        given = {name: getattr(source, name) for name in unused} | {"split": self.split}
        changed = [name for name, value in (given | self._given()).items() if value is not None]
        if changed:
            raise ConfigError(
                f"{_flag(changed[0])} does not apply to a ready-made split; leave it out"
            )
        train = source.interactions(self.train)
        text = {name: value for name, value in source.text.items() if name in SHARED_WITH_ITEMS}
        catalog, user_table = read_tables(
            user_column=train.user_column, item_column=train.item_column,
            **source.tables, **source.values, **text,
        )  # fmt: skip
        return predefined_split(
            train,
            source.interactions(self.test),
            validation=None if self.valid is None else source.interactions(self.valid),
            histories=None if self.histories is None else source.interactions(self.histories),
            candidates=None if self.candidates is None else source.candidates(self.candidates),
            catalog=catalog,
            untouched_items=source.untouched_items,
            user_table=user_table,
            repeats=source.repeats,
            repeat_targets=source.repeat_targets,
        )


def split_of(
    data: str | None,
    reading: options.Reading,
    holding_out: options.HoldingOut,
    seed: int | None,
    from_events: str | None = None,
) -> Split:
    """Reads and splits DATA as the options of a verb ask for it; prints notes on the decisions."""
    source = DataOptions(**vars(reading), seed=seed, from_events=from_events)
    return SplitOptions(**vars(holding_out), seed=seed).split_of(data, source)
