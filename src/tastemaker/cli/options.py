"""The options that several verbs share, with their help texts."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

DATA_HELP = (
    "A data set by name (ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, ml-latest-small, "
    "synthetic), a file (.csv .tsv .parquet .jsonl …; - is standard input), a MovieLens .zip or "
    "folder, or a database URL with --query."
)

DATA_PANEL, SPLIT_PANEL = "Reading the data", "Holding out"


def _data(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=DATA_PANEL, **more)


def _split(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=SPLIT_PANEL, **more)


Data = Annotated[str, typer.Argument(help=DATA_HELP, show_default=False)]
OptionalData = Annotated[str | None, typer.Argument(help=DATA_HELP, show_default=False)]
Run = Annotated[Path, typer.Argument(help="A run folder that train made.", show_default=False)]

User = Annotated[
    str | None, _data("--user", help="Column with the user's id; guessed if left out.")
]
Item = Annotated[
    str | None, _data("--item", help="Column with the item's id; guessed if left out.")
]
Time = Annotated[str | None, _data("--time", help="Column with the time; guessed if left out.")]
Rating = Annotated[
    str | None, _data("--rating", help="Column with the rating; guessed if left out.")
]
Weight = Annotated[
    str | None, _data("--weight", help="Column that says how much a row counts; never guessed.")
]
TimeFormat = Annotated[
    str | None, _data("--time-format", help='How text times are written, as "%d.%m.%Y %H:%M".')
]
NoHeader = Annotated[
    bool, _data("--no-header", help="The file has no column names; call them column_1, column_2, …")
]
Separator = Annotated[
    str | None, _data("--separator", help="Text between two values; found out if left out.")
]
Quoting = Annotated[
    Literal["csv", "none"] | None,
    _data(
        "--quoting",
        help="Quotes belong to the file's format (csv), or are text like any other (none). "
        "By default none between tabs and ::, csv otherwise.",
    ),
]
Encoding = Annotated[
    str | None, _data("--encoding", help="Of text files, as latin-1; UTF-8 if left out.")
]
Comment = Annotated[
    str | None, _data("--comment", help="Leave out lines that begin with this text, as #.")
]
ItemId = Annotated[
    str | None,
    _data(
        "--item-id", help="Column of --items with the item's id; the name of --item comes first."
    ),
]
CatalogItemId = Annotated[
    str | None, _data("--item-id", help="Column with the item's id; guessed if left out.")
]
Missing = Annotated[
    list[str] | None,
    _data(
        "--missing",
        help="Text that stands for a missing id, time, rating or weight; may be given several "
        'times, and "" for nothing but empty values.  [default: NA, N/A, n/a, <NA>, NULL, null, '
        "NaN, nan, None]",
        show_default=False,
    ),
]
DropMissing = Annotated[
    bool, _data("--drop-missing", help="Leave out rows that lack an id, a time or a weight.")
]
Ids = Annotated[
    Literal["text", "integer"] | None,
    _data("--ids", help="Read the ids of users and items as this; they keep their type otherwise."),
]
Query = Annotated[str | None, _data("--query", help="SQL to run where DATA is a database URL.")]
Items = Annotated[
    Path | None, _data("--items", help="Table of the items: id, and title and categories if any.")
]
UntouchedItems = Annotated[
    bool,
    _data("--untouched-items", help="Take in items of the table (--items) that nobody touched."),
]
MinRating = Annotated[
    float | None, _data("--min-rating", help="Keep only what was rated at least this.")
]
Duplicates = Annotated[
    Literal["latest", "first"],
    _data("--duplicates", help="Which row of a repeated pair each part of a split keeps."),
]
DuplicateWeights = Annotated[
    Literal["kept", "sum", "max"],
    _data("--duplicate-weights", help="Its weight: the kept row's, or the sum or max of all."),
]
SampleUsers = Annotated[
    float | None,
    _data("--sample-users", help="Keep a random fraction of the users, above 0 and at most 1."),
]
KCore = Annotated[
    int | None, _data("--k-core", help="Keep users and items with at least K interactions.")
]

SplitBy = Annotated[
    Literal["leave-one-out", "leave-k-out", "temporal", "none"],
    _split("--split", help="What to hold out for the test."),
]
Order = Annotated[
    Literal["time", "input", "random"],
    _split("--by", help='What a user\'s "last" interactions are.'),
]
HoldOut = Annotated[int, _split("--hold-out", help="How many a user, for leave-k-out.")]
TestFraction = Annotated[
    float,
    _split(
        "--test-fraction",
        help="For temporal: fraction of the interactions, the latest, to test on.",
    ),
]
Validation = Annotated[
    bool,
    _split("--validation/--no-validation", help="Also hold out the ones before, to choose epochs."),
]
Train = Annotated[
    Path | None, _split("--train", help="A ready-made split: the training interactions.")
]
Test = Annotated[Path | None, _split("--test", help="… and the held-out ones.")]
Valid = Annotated[Path | None, _split("--valid", help="… and those to validate on, if any.")]
Candidates = Annotated[
    Path | None,
    _split("--candidates", help="… and what each user's held-out item is ranked against."),
]
Repeats = Annotated[
    Literal["refuse", "drop"] | None,
    _split(
        "--repeats",
        help="… and whether a held-out pair that the user had before is an error or left out.  "
        "[default: refuse]",
        show_default=False,
    ),
]

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=2**32 - 1, show_default=False,
        help="Of everything drawn at random; overrules a seed in --config.  [default: 0]",
    ),
]  # fmt: skip
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option("--device", help="Where to compute.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
K = Annotated[int, typer.Option("--k", "-k", help="How many items.")]

ServedRun = Annotated[
    Path | None, typer.Option("--run", help="The run whose service it is: its database.")
]
ServedDatabase = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TASTEMAKER_DATABASE",
        help="… or the database's URL, as given to serve.",
    ),
]

PROTOCOL_PANEL = "Evaluation"
Protocol = Annotated[
    Literal["auto", "sampled", "full", "candidates"],
    typer.Option(
        "--protocol",
        help="Rank each held-out item against sampled items, the whole catalog, or given "
        "candidates; auto takes the candidates if there are any, else samples.",
        rich_help_panel=PROTOCOL_PANEL,
    ),
]
FullProtocol = Annotated[
    Literal["auto", "sampled", "full", "candidates"],
    typer.Option(
        "--protocol",
        help="Rank each held-out item against sampled items, the whole catalog, or given "
        "candidates; auto takes the candidates if there are any, else the whole catalog.",
        rich_help_panel=PROTOCOL_PANEL,
    ),
]
Negatives = Annotated[
    int,
    typer.Option(
        "--negatives", help="Items sampled for each held-out one.", min=1,
        rich_help_panel=PROTOCOL_PANEL,
    ),
]  # fmt: skip
Cutoffs = Annotated[
    list[int] | None,
    typer.Option(
        "--k", "-k", help="Length of list to judge; may be given several times.  [default: 10]",
        rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip
ComparedCutoffs = Annotated[
    list[int] | None,
    typer.Option(
        "--k", "-k", help="Length of list to judge; may be given several times.  "
        "[default: 10 and 20]",
        rich_help_panel=PROTOCOL_PANEL, show_default=False,
    ),
]  # fmt: skip
Draw = Annotated[
    Literal["uniform", "popularity"],
    typer.Option(
        "--draw", help="Sample items all alike, or as often as they are popular, which is harder.",
        rich_help_panel=PROTOCOL_PANEL,
    ),
]  # fmt: skip
CandidateSeed = Annotated[
    int,
    typer.Option(
        "--candidate-seed", help="Of the sampled items; apart from --seed.", min=0,
        rich_help_panel=PROTOCOL_PANEL,
    ),
]  # fmt: skip
