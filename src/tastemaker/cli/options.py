"""The options that several verbs share, with their help texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tastemaker.errors import ConfigError

DATA_HELP = (
    "Name of a data set (ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, ml-latest-small, "
    "synthetic, shop), a file (.csv .tsv .parquet .arrow .jsonl .xlsx …; - is standard input), a "
    'folder or a pattern in quotes ("logs/2026-*.csv") of several, a folder that prepare created, '
    "a MovieLens .zip or folder, or a database (.db, .duckdb or a URL)."
)

DATA_PANEL, SPLIT_PANEL = "Reading the data", "Holding out"


def _data(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=DATA_PANEL, **more)


def _split(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=SPLIT_PANEL, **more)


Data = Annotated[str, typer.Argument(help=DATA_HELP, show_default=False)]
OptionalData = Annotated[str | None, typer.Argument(help=DATA_HELP, show_default=False)]
Run = Annotated[Path, typer.Argument(help="Run folder, as created by train.", show_default=False)]

User = Annotated[
    str | None, _data("--user", help="Column with the user's id; guessed if not given.")
]
Item = Annotated[
    str | None, _data("--item", help="Column with the item's id; guessed if not given.")
]
Time = Annotated[str | None, _data("--time", help="Column with the time; guessed if not given.")]
Rating = Annotated[
    str | None, _data("--rating", help="Column with the rating; guessed if not given.")
]
Event = Annotated[
    str | None,
    _data("--event", help="Column with the kind of each event, such as view; never guessed."),
]
EventWeights = Annotated[
    str | None,
    _data(
        "--event-weights",
        help="Weight of each kind of event, such as view=1,cart=4,purchase=10; *=1 stands for all "
        "kinds that are not named. (default: 1 each)",
    ),
]
EventTargets = Annotated[
    str | None,
    _data(
        "--targets",
        help="Kinds of events that are held out and predicted, such as purchase; others belong to "
        "the histories. (default: all that are not negative)",
    ),
]
Negative = Annotated[
    str | None,
    _data(
        "--negative",
        help="Kinds of events that say no, such as dislike,return: the item is never recommended "
        "to this user.",
    ),
]
Weight = Annotated[
    str | None,
    _data(
        "--weight",
        "--value",
        help="Column with a weight of each row, or a value such as plays or seconds; never "
        "guessed. With --event, it multiplies the weight of the kind.",
    ),
]
WeightTransform = Annotated[
    str | None,
    _data(
        "--weight-transform",
        help="How the values of --weight become weights: none, log1p, sqrt, threshold:X (1 for a "
        "value of at least X, else 0), or auto: log1p for values with a heavy tail, else none. "
        "(default: auto)",
        show_default=False,
    ),
]
TimeFormat = Annotated[
    str | None,
    _data("--time-format", help='Format of times given as text, such as "%d.%m.%Y %H:%M".'),
]
NoHeader = Annotated[
    bool,
    _data("--no-header", help="The file has no column names; they become column_1, column_2, …"),
]
Separator = Annotated[
    str | None, _data("--separator", help="Text between two values; detected if not given.")
]
Quoting = Annotated[
    Literal["csv", "none"] | None,
    _data(
        "--quoting",
        help="Whether quotes around a value belong to the file's format (csv), or are part of the "
        "text (none). (default: none for the separators tab and ::, else csv)",
        show_default=False,
    ),
]
Encoding = Annotated[
    str | None,
    _data("--encoding", help="Encoding of text files, such as latin-1. (default: UTF-8)"),
]
Comment = Annotated[
    str | None, _data("--comment", help="Leave out lines that begin with this text, such as #.")
]
ItemId = Annotated[
    str | None,
    _data(
        "--item-id",
        help="Column of --items with the item's id; by default the one with the same name as the "
        "item column of the data, else guessed.",
    ),
]
CatalogItemId = Annotated[
    str | None, _data("--item-id", help="Column with the item's id; guessed if not given.")
]
UserTableId = Annotated[
    str | None, _data("--user-id", help="Column with the user's id; guessed if not given.")
]
Missing = Annotated[
    list[str] | None,
    _data(
        "--missing",
        help="Text that stands for a missing id, time, rating or weight; may be given several "
        'times. With "", only empty values are missing. (default: NA, N/A, n/a, <NA>, NULL, null, '
        "NaN, nan, None)",
        show_default=False,
    ),
]
DropMissing = Annotated[
    bool,
    _data(
        "--drop-missing", help="Leave out rows in which an id, the time or the weight is missing."
    ),
]
Ids = Annotated[
    Literal["text", "integer"] | None,
    _data("--ids", help="Type of the ids of users and items; by default the type in the data."),
]
Decimal = Annotated[
    Literal[".", ","] | None,
    _data("--decimal", help="Decimal separator of numbers in text files. (default: .)"),
]
Layout = Annotated[
    str | None,
    _data(
        "--layout",
        help="Layout of a published file without column names: amazon-2014-ratings, "
        "amazon-2018-ratings, foursquare, gowalla, lastfm-1k, lastfm-360k, mind, steam-200k, "
        "taobao, yoochoose-buys or yoochoose-clicks.",
    ),
]
Query = Annotated[
    str | None,
    _data(
        "--query",
        help="SQL query that selects the rows of a database; may be left out if it has one table.",
    ),
]
Items = Annotated[
    str | None,
    _data(
        "--items",
        help="Table of the items: their ids and, optionally, titles, categories and other "
        "features.",
    ),
]
Feature = Annotated[
    list[str] | None,
    _data(
        "--feature",
        help="Kind of a column of --items, such as price:number: category, categories, number, "
        "text, date or vector, or none to leave it out; may be given several times. Other kinds "
        "are guessed.",
        metavar="COLUMN:KIND",
    ),
]
Vectors = Annotated[
    Path | None,
    _data(
        "--vectors",
        help="NumPy file (.npy) with a vector for each row of --items, in the same order, such as "
        'embeddings of pictures. They are the feature "vectors" of the items.',
    ),
]
Users = Annotated[str | None, _data("--users", help="Table of the users: their ids and features.")]
UserId = Annotated[
    str | None,
    _data(
        "--user-id",
        help="Column of --users with the user's id; by default the one with the same name as the "
        "user column of the data, else guessed.",
    ),
]
UserFeature = Annotated[
    list[str] | None,
    _data(
        "--user-feature",
        help="Kind of a column of --users, as for --feature.",
        metavar="COLUMN:KIND",
    ),
]
ItemsQuery = Annotated[
    str | None,
    _data("--items-query", help="SQL query that selects the items, if --items is a database."),
]
UntouchedItems = Annotated[
    bool,
    _data("--untouched-items", help="Include items of the table (--items) without interactions."),
]
MinRating = Annotated[
    float | None, _data("--min-rating", help="Keep only interactions with at least this rating.")
]
Repeats = Annotated[
    Literal["first", "latest", "sum", "max", "count", "keep"] | None,
    _data(
        "--repeats",
        help="How repeated rows of a user and an item are merged, always after the split: into the "
        "first or the latest of them; into the latest with the sum, the maximum or the number of "
        "their weights; or, with keep, not at all for models of sequences and with the sum for "
        "others. (default: max with --event, sum with --weight alone, else latest)",
        show_default=False,
    ),
]
RepeatTargets = Annotated[
    bool | None,
    _data(
        "--repeat-targets/--no-repeat-targets",
        help="Whether an item that a user had before may be held out and recommended again. "
        "(default: only with --repeats keep)",
        show_default=False,
    ),
]
SampleUsers = Annotated[
    float | None,
    _data("--sample-users", help="Keep a random fraction of the users, above 0 and at most 1."),
]
KCore = Annotated[
    int | None, _data("--k-core", help="Keep users and items with at least K interactions.")
]

SplitBy = Annotated[
    Literal["leave-one-out", "leave-k-out", "temporal", "none"] | None,
    _split(
        "--split",
        help="Method by which interactions are held out for the test. (default: leave-one-out)",
        show_default=False,
    ),
]
Order = Annotated[
    Literal["time", "input", "random"] | None,
    _split(
        "--by",
        help="Order that determines the last interactions of each user, for leave-one-out and "
        "leave-k-out. (default: time)",
        show_default=False,
    ),
]
HoldOut = Annotated[
    int | None,
    _split(
        "--hold-out",
        help="Interactions held out for each user, for leave-k-out. (default: 5)",
        show_default=False,
    ),
]
TestFraction = Annotated[
    float | None,
    _split(
        "--test-fraction",
        help="Fraction of the interactions, the latest ones, that is held out, for temporal. "
        "(default: 0.1)",
        show_default=False,
    ),
]
Validation = Annotated[
    bool | None,
    _split(
        "--validation/--no-validation",
        help="Also hold out the interactions before the test interactions, to select the best "
        "epoch. (default: --validation)",
        show_default=False,
    ),
]
Train = Annotated[
    Path | None, _split("--train", help="Training interactions of a ready-made split.")
]
Test = Annotated[Path | None, _split("--test", help="Test interactions of a ready-made split.")]
Valid = Annotated[
    Path | None, _split("--valid", help="Validation interactions of a ready-made split, if any.")
]
Histories = Annotated[
    Path | None,
    _split(
        "--histories",
        help="Interactions of a ready-made split that are known before the held-out ones but not "
        "trained on, such as the histories of users who are not in training.",
    ),
]
Candidates = Annotated[
    Path | None,
    _split(
        "--candidates",
        help="Items of a ready-made split against which each user's held-out item is ranked.",
    ),
]


@dataclass(frozen=True)
class Reading:
    """The options under "Reading the data"."""

    user: User = None
    item: Item = None
    time: Time = None
    rating: Rating = None
    event: Event = None
    event_weights: EventWeights = None
    targets: EventTargets = None
    negative: Negative = None
    weight: Weight = None
    weight_transform: WeightTransform = None
    time_format: TimeFormat = None
    no_header: NoHeader = False
    separator: Separator = None
    quoting: Quoting = None
    encoding: Encoding = None
    comment: Comment = None
    decimal: Decimal = None
    layout: Layout = None
    missing: Missing = None
    drop_missing: DropMissing = False
    ids: Ids = None
    query: Query = None
    items: Items = None
    items_query: ItemsQuery = None
    item_id: ItemId = None
    feature: Feature = None
    vectors: Vectors = None
    users: Users = None
    user_id: UserId = None
    user_feature: UserFeature = None
    untouched_items: UntouchedItems = False
    min_rating: MinRating = None
    repeats: Repeats = None
    repeat_targets: RepeatTargets = None
    sample_users: SampleUsers = None
    k_core: KCore = None


@dataclass(frozen=True)
class TableReading:
    """Those of the options under "Reading the data" that say how a single table is read."""

    no_header: NoHeader = False
    separator: Separator = None
    quoting: Quoting = None
    encoding: Encoding = None
    comment: Comment = None
    decimal: Decimal = None
    missing: Missing = None
    drop_missing: DropMissing = False


@dataclass(frozen=True)
class HoldingOut:
    """The options under "Holding out"."""

    split: SplitBy = None
    by: Order = None
    hold_out: HoldOut = None
    test_fraction: TestFraction = None
    validation: Validation = None
    train: Train = None
    test: Test = None
    valid: Valid = None
    histories: Histories = None


@dataclass(frozen=True)
class HoldingOutForTest(HoldingOut):
    """The same, with candidates to rank the test items against."""

    candidates: Candidates = None


Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=2**32 - 1, show_default=False,
        help="Seed of all random numbers; overrides a seed in --config. (default: 0)",
    ),
]  # fmt: skip
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option("--device", help="Device on which to compute."),
]
Track = Annotated[
    Literal["mlflow"] | None,
    typer.Option(
        "--track",
        help="Also record settings, metrics by epoch and results with MLflow; its variable "
        "MLFLOW_TRACKING_URI says where.",
        show_default=False,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse data with weights if a model does not learn from them, instead of a note.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
K = Annotated[int, typer.Option("--k", "-k", help="Number of items.")]

ServedRun = Annotated[
    Path | None,
    typer.Option("--run", help="Run of the service; its database is the file beside the run."),
]
ServedDatabase = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TASTEMAKER_DATABASE",
        help="URL of the service's database, as given to serve, if it is not beside the run.",
    ),
]


@dataclass(frozen=True)
class EntityFile(TableReading):
    """The options of verbs that import items or users from a file into a service's database."""

    ids: Ids = None
    run: ServedRun = None
    database: ServedDatabase = None
    json: Json = False


PROTOCOL_PANEL = "Evaluation"
Protocol = Annotated[
    Literal["auto", "sampled", "full", "candidates"],
    typer.Option(
        "--protocol",
        help="Rank each held-out item against sampled items, the whole catalog, or given "
        "candidates; auto uses the candidates if there are any, else sampled items.",
        rich_help_panel=PROTOCOL_PANEL,
    ),
]
FullProtocol = Annotated[
    Literal["auto", "sampled", "full", "candidates"],
    typer.Option(
        "--protocol",
        help="Rank each held-out item against sampled items, the whole catalog, or given "
        "candidates; auto uses the candidates if there are any, else the whole catalog.",
        rich_help_panel=PROTOCOL_PANEL,
    ),
]
Negatives = Annotated[
    int | None,
    typer.Option(
        "--negatives", help="Number of items sampled for each held-out item. (default: 99)", min=1,
        rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip
Cutoffs = Annotated[
    list[int] | None,
    typer.Option(
        "--k", "-k", help="Length of the lists; may be given several times. (default: 10)",
        rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip
ComparedCutoffs = Annotated[
    list[int] | None,
    typer.Option(
        "--k", "-k", help="Length of the lists; may be given several times. "
        "(default: 10 and 20)",
        rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip
Draw = Annotated[
    Literal["uniform", "popularity"] | None,
    typer.Option(
        "--draw", help="Sample items uniformly or by their popularity, which is harder. "
        "(default: uniform)",
        rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip
CandidateSeed = Annotated[
    int | None,
    typer.Option(
        "--candidate-seed", help="Seed of the sampled items; independent of --seed. (default: 0)",
        min=0, rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip

RAY_PANEL = "Ray"


@dataclass(frozen=True)
class OnRay:
    """The options under "Ray"."""

    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            help="Compute on a Ray cluster: host:port of its head node, or auto for the cluster of "
            "this machine, or else a new one on this machine alone.",
            rich_help_panel=RAY_PANEL,
        ),
    ] = None
    ray_cpus: Annotated[
        int,
        typer.Option(
            "--ray-cpus",
            help="CPUs for each task or process on the cluster. With --device cuda, each also has "
            "a GPU.",
            min=1,
            rich_help_panel=RAY_PANEL,
        ),
    ] = 1

    def __post_init__(self) -> None:
        if self.ray is None and self.ray_cpus != 1:
            raise ConfigError("--ray-cpus needs --ray")
